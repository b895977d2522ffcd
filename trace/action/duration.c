/* SPDX-License-Identifier: MIT */
/*
 * What a call costs here is two time stamps and a few additions, so nothing is looked up twice: the
 * entry leaves in ep_call.words what the end needs.
 *
 * Time must not count twice. In recursion only the outermost call of a probe counts for its total: each
 * thread knows how many calls of it are running. And a call's own time is what was not spent in others:
 * each thread adds up the own times of all that have ended. How far that sum has come between entry and
 * end is what others took, whatever they were and however deep:
 *
 *	f ----------------------->	own time of f = time of f - time of g
 *	     g --------->		sum at the end of f - sum at its entry = time of g,
 *	        h -->			which is own time of g + own time of h
 */
#include "trace/action/duration.h"

#include "include/counting.h"
#include "trace/clock/clock.h"
#include "trace/session/durations.h"

/* In ep_call.words, from entry to end. */
enum word {
	EPOCH, /* 0: it is not followed */
	ENTRY,
	HISTOGRAM,
	OWN_TIMES,
	IS_NESTED,
	START,
	WORDS
};

_Static_assert((int)WORDS <= EP_CALL_WORDS, "there is room for it");

static struct {
	struct trace_memory durations;
	enum trace_clock clock;
	bool is_sample; /* not all calls are told of here */
	uint32_t epoch; /* that durations are of */
} local;

static __thread struct {
	struct trace_duration_table *table; /* NULL: there was no memory */
	uint32_t epoch;			    /* when it was taken; 0: never */
	uint64_t own_times;
} mine;

void trace_duration_init(const struct trace_session *session)
{
	uint32_t sample = session->shared->sample;

	local.clock = session->shared->clock;
	local.is_sample = sample > 1;
	ep_sample_calls(sample);
	trace_memory_init(&local.durations, session, trace_record_follow_fork());
	local.epoch = trace_record_epoch();
}

/* A child of a fork has one thread. */
EP_TRAP_PATH __attribute__((noinline)) static void take_table(uint32_t epoch)
{
	if (local.epoch != epoch) {
		local.durations.process = trace_record_follow_fork();
		local.epoch = epoch;
	}
	mine.epoch = epoch;
	mine.table = trace_durations_take(&local.durations);
}

EP_TRAP_PATH void trace_duration_entered(struct ep_probe *probe, struct ep_regs *regs,
					 struct ep_call *call, void *cookie)
{
	uint32_t epoch = trace_record_epoch();
	struct trace_duration_entry *entry;
	struct trace_histogram *histogram;

	(void)probe;
	(void)regs;
	call->words[EPOCH] = 0;
	if (mine.epoch != epoch)
		take_table(epoch);
	if (!mine.table)
		return;
	histogram = trace_durations_find(&local.durations, mine.table,
					 ((const struct trace_probe *)cookie)->index, &entry);
	if (!histogram)
		return;
	call->words[EPOCH] = epoch;
	call->words[ENTRY] = (uint64_t)entry;
	call->words[HISTOGRAM] = (uint64_t)histogram;
	call->words[IS_NESTED] = entry->depth != 0 || (local.is_sample && ep_call_is_nested(call));
	TRACE_ADD_32(entry->depth, 1);
	call->words[OWN_TIMES] = mine.own_times;
	call->words[START] = trace_clock_now(local.clock);
}

EP_TRAP_PATH static inline void add(const struct ep_call *call)
{
	uint64_t end = trace_clock_now(local.clock), start = call->words[START];
	uint64_t others = mine.own_times - call->words[OWN_TIMES];
	/* Another processor's clock may be behind by nanoseconds. */
	uint64_t took = end > start ? end - start : 0;
	/* A signal handler that was timed may have come between the two lines above. */
	uint64_t own = took > others ? took - others : 0;

	TRACE_ADD(mine.own_times, took - others);
	trace_durations_add(&local.durations, (struct trace_histogram *)call->words[HISTOGRAM],
			    took, own, call->words[IS_NESTED]);
}

EP_TRAP_PATH void trace_duration_ended(struct ep_probe *probe, struct ep_regs *regs,
				       struct ep_call *call, void *cookie)
{
	struct trace_duration_entry *entry;

	(void)probe;
	(void)regs;
	(void)cookie;
	if (!call->words[EPOCH] || call->words[EPOCH] != trace_record_epoch())
		return;
	if (call->end < EP_END_JUMP)
		add(call);
	entry = (struct trace_duration_entry *)call->words[ENTRY];
	if (entry->depth) /* where nobody has scribbled */
		TRACE_ADD_32(entry->depth, -1);
}
