/* SPDX-License-Identifier: MIT */
/*
 * A thread takes its table of answers when it is first asked, and again in the child of a fork. What comes
 * with a hit are values of fields; which of them a question needs was found out before.
 *
 * Times are counts of a clock whose rate is known the better the longer it has been watched. It is needed
 * here, since buckets have bounds in nanoseconds: so it is measured again, from time to time.
 */
#include "trace/action/answer.h"

#include "sys/process.h"
#include "trace/action/copy.h"
#include "trace/action/duration.h"
#include "trace/action/limits.h"
#include "trace/action/run.h"
#include "trace/clock/clock.h"

#define MEASURE_AFTER 4096u		       /* times of a thread */
#define TEXT_WORDS    64u		       /* a power of two */
#define TEXT_BYTES    (TRACE_KEY_TEXT_MAX + 8) /* more than is kept: so it is known to be cut */

static struct {
	struct trace_memory memory;
	const struct trace_answers *list;
	enum trace_clock clock;
	bool records;
	uint32_t epoch; /* that memory is of */
	struct trace_clock_map map;
	_Atomic uint64_t rate; /* nanoseconds of 2^32 counts */
} local;

static __thread struct {
	struct trace_answer_table *table; /* NULL: there was no memory */
	uint32_t epoch;			  /* when it was taken; 0: never */
	uint32_t times;			  /* until the rate is measured again */
} mine;

void trace_answer_init(const struct trace_session *session, const struct trace_answers *list)
{
	local.clock = session->shared->clock;
	local.records = session->shared->mode == TRACE_MODE_EVENTS;
	local.list = list;
	trace_memory_init(&local.memory, session, trace_record_follow_fork());
	local.epoch = trace_record_epoch();
	trace_clock_map_init(&local.map, local.clock);
}

/* ---- the thread's table -------------------------------------------------------------------- */

EP_TRAP_PATH static void measure_rate(void)
{
	struct trace_clock_map map = local.map;

	trace_clock_map_update(&map);
	atomic_store_explicit(&local.rate, trace_clock_duration(&map, 1ull << 32),
			      memory_order_relaxed);
	mine.times = MEASURE_AFTER;
}

/* A child of a fork has one thread, and may live in another time namespace. */
EP_TRAP_PATH __attribute__((noinline)) static void take_table(uint32_t epoch)
{
	if (local.epoch != epoch) {
		local.memory.process = trace_record_follow_fork();
		local.epoch = epoch;
		if (!atomic_load_explicit(&local.rate, memory_order_relaxed))
			measure_rate();
		trace_clock_map_init(&local.map, local.clock);
	} else {
		measure_rate();
	}
	mine.times = MEASURE_AFTER;
	mine.epoch = epoch;
	mine.table = trace_answer_take(&local.memory);
}

EP_TRAP_PATH static struct trace_answer_table *table(void)
{
	uint32_t epoch = trace_record_epoch();

	if (__builtin_expect(mine.epoch != epoch, 0))
		take_table(epoch);
	return mine.table;
}

/* ---- times --------------------------------------------------------------------------------- */

EP_TRAP_PATH static uint64_t nanoseconds(uint64_t counts)
{
	uint64_t rate;

	if (local.clock == TRACE_CLOCK_MONOTONIC)
		return counts;
	if (mine.times-- == 0)
		measure_rate();
	rate = atomic_load_explicit(&local.rate, memory_order_relaxed);
	return (uint64_t)((unsigned __int128)counts * rate >> 32);
}

/* ---- adding -------------------------------------------------------------------------------- */

EP_TRAP_PATH __attribute__((noinline)) static void
add_to_top(struct trace_answer_table *to, const struct trace_answer *answer,
	   const struct trace_field_value *values)
{
	const struct trace_field_value *value =
		answer->value == TRACE_NO_FIELD ? NULL : &values[answer->value];
	uint64_t number = value && !value->absent ? value->number : 0;

	if (answer->value_is_time)
		number = nanoseconds(number);
	trace_answer_top_add(&local.memory, to, answer, values, number);
}

EP_TRAP_PATH static void add_to_histogram(struct trace_answer_table *to,
					  const struct trace_answer *answer,
					  const struct trace_field_value *values)
{
	const struct trace_field_value *value = &values[answer->fields[0]];

	if (!value->absent)
		trace_answer_histogram_add(&local.memory, to, answer,
					   answer->times ? nanoseconds(value->number)
							 : value->number);
}

EP_TRAP_PATH void trace_answers_add(const struct trace_answer *answers, uint32_t count,
				    const struct trace_field_value *values)
{
	struct trace_answer_table *to = table();

	if (__builtin_expect(!to, 0)) {
		atomic_fetch_add(&local.memory.session.shared->lost_answers, count);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (answers[i].kind == TRACE_QUESTION_TOP)
			add_to_top(to, &answers[i], values);
		else
			add_to_histogram(to, &answers[i], values);
	}
}

/* ---- handlers ------------------------------------------------------------------------------ */

EP_TRAP_PATH static bool is_asked(const struct trace_probe *probe)
{
	return local.list && local.list[probe->view.definition].count;
}

/* What a text in memory is, and what of it was there. */
struct text {
	_Atomic uint64_t words[TEXT_WORDS];
};

EP_TRAP_PATH static void set_number(struct trace_field_value *ret, uint64_t number, bool absent)
{
	*ret = (struct trace_field_value){.number = number, .absent = absent};
}

/* A copy, of as much as a key may have; more is said to be there. */
EP_TRAP_PATH static void set_text(struct trace_field_value *ret, const struct trace_run *run,
				  const struct trace_program *program, uint32_t value,
				  struct text *text)
{
	struct trace_bulk bulk = program->bulks[value - program->recorded];
	struct trace_copy copy = {text->words, TEXT_WORDS - 1, 0};
	uint64_t first;

	if (bulk.size > TEXT_BYTES)
		bulk.size = TEXT_BYTES;
	trace_copy_bulk(&copy, &bulk, run->values[value], trace_run_is_faulty(run, value));
	first = text->words[0];
	*ret = (struct trace_field_value){.bytes = (const void *)&text->words[1],
					  .size = (uint32_t)first,
					  .cut = first & TRACE_BULK_CUT,
					  .absent = first & TRACE_BULK_FAULTY && !(uint32_t)first};
}

EP_TRAP_PATH static void set_comm(struct trace_field_value *ret)
{
	const char *name = trace_run_comm(NULL);
	uint32_t size = 0;

	while (size < SYS_COMM_SIZE && name[size])
		size++;
	*ret = (struct trace_field_value){.bytes = name, .size = size};
}

EP_TRAP_PATH static uint64_t elapsed(uint64_t since, uint64_t now)
{
	return now > since ? now - since : 0;
}

EP_TRAP_PATH static uint32_t processor(void)
{
	uint32_t ret;

	trace_clock_read(local.clock, &ret);
	return ret;
}

EP_TRAP_PATH static void set_field(struct trace_field_value *ret, const struct trace_arg *arg,
				   const struct trace_run *run, const struct trace_program *program,
				   uint64_t now, struct text *text)
{
	switch (arg->origin) {
	case TRACE_OF_PROGRAM:
		if (arg->type.kind == TRACE_STRING)
			set_text(ret, run, program, arg->value, text);
		else
			set_number(ret, run->values[arg->value],
				   trace_run_is_faulty(run, arg->value));
		return;
	case TRACE_OF_LATENCY: /* nobody knows when a jump left it */
		set_number(ret, elapsed(run->call->words[TRACE_CALL_TIME], now),
			   run->call->end == EP_END_JUMP);
		return;
	case TRACE_OF_TID:
		set_number(ret, trace_run_tid(), false);
		return;
	case TRACE_OF_PID:
		set_number(ret, trace_run_pid(), false);
		return;
	case TRACE_OF_CPU:
		set_number(ret, processor(), false);
		return;
	default: /* TRACE_OF_COMM */
		set_comm(ret);
	}
}

/* Fields that are asked for, one question after the other: each has room for its texts. */
EP_TRAP_PATH static void answer_one(const struct trace_answer *answer,
				    const struct trace_probe *probe, const struct trace_run *run,
				    uint64_t now)
{
	struct trace_field_value values[TRACE_QUESTION_KEYS_MAX + 1];
	struct text texts[TRACE_QUESTION_KEYS_MAX];
	struct trace_answer own = *answer;

	for (uint32_t i = 0; i < own.field_count && i < TRACE_QUESTION_KEYS_MAX; i++) {
		set_field(&values[i], &probe->view.args[own.fields[i]], run, probe->view.program,
			  now, &texts[i]);
		own.fields[i] = (uint8_t)i;
	}
	if (own.value != TRACE_NO_FIELD) {
		set_field(&values[TRACE_QUESTION_KEYS_MAX], &probe->view.args[own.value], run,
			  probe->view.program, now, &texts[0]); /* it is a number */
		own.value = TRACE_QUESTION_KEYS_MAX;
	}
	trace_answers_add(&own, 1, values);
}

/* Only what the condition wants counts for limits, is recorded, and is in answers. */
EP_TRAP_PATH __attribute__((noinline)) static void
handle(const struct trace_probe *probe, const struct ep_regs *regs, const struct ep_call *call)
{
	uint64_t values[TRACE_VALUES_MAX];
	struct trace_run run = {.regs = regs, .call = call, .values = values};
	uint64_t now; /* one, whatever is asked: a call has one latency, and answering takes time */

	if (!trace_run(probe->view.program, &run)) {
		if (!local.records)
			trace_record_uncount(probe);
		return;
	}
	if (!trace_limits_pass(probe))
		return;
	if (local.records)
		trace_record_values(probe, &run);
	if (!is_asked(probe))
		return;
	now = call ? trace_clock_now(local.clock) : 0;
	for (uint32_t i = 0; i < local.list[probe->view.definition].count; i++)
		answer_one(&local.list[probe->view.definition].list[i], probe, &run, now);
}

EP_TRAP_PATH void trace_answer_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	handle(cookie, regs, NULL);
}

/* What the end needs of the entry is what a record of it needs. */
EP_TRAP_PATH void trace_answer_entered(struct ep_probe *probe, struct ep_regs *regs,
				       struct ep_call *call, void *cookie)
{
	if (local.records || is_asked(cookie))
		trace_record_entered(probe, regs, call, cookie);
	else
		trace_duration_entered(probe, regs, call, cookie);
}

EP_TRAP_PATH void trace_answer_ended(struct ep_probe *probe, struct ep_regs *regs,
				     struct ep_call *call, void *cookie)
{
	if (local.records || is_asked(cookie)) {
		trace_run_leave(((const struct trace_probe *)cookie)->view.program);
		handle(cookie, call->end == EP_END_RETURN ? regs : NULL, call);
		return;
	}
	trace_duration_ended(probe, regs, call, cookie);
	trace_limits_pass(cookie);
}
