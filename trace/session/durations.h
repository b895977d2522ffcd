/* SPDX-License-Identifier: MIT */
/*
 * How long calls took: a histogram for each thread and probe, in the session's heap, so that it
 * outlives the program. A thread adds to its own with plain instructions, each of which does one thing
 * as a whole: a signal handler of the same thread may add in between.
 */
#ifndef EMUPROBE_TRACE_SESSION_DURATIONS_H
#define EMUPROBE_TRACE_SESSION_DURATIONS_H

#include "trace/base/arena.h"
#include "trace/session/buckets.h"
#include "trace/session/memory.h"

#define TRACE_DURATION_PROBES                                                                      \
	131072u /* of a process's table; calls of further ones are not timed */

/* ---- the calling thread's ------------------------------------------------------------------- */

/* One thread's of one probe. Zeroed memory is an empty one. Times are counts of the session's clock. */
struct trace_histogram {
	uint64_t next; /* in the heaps: the process's one before it */
	uint32_t probe;
	uint32_t process; /* index of its entry */
	uint64_t sum;	  /* of all */
	uint64_t nested;  /* of those made while another call of the same probe was running */
	uint64_t self;	  /* of all, less what the calls took that were made by them */
	uint64_t longest, shortest_inverted;
	uint64_t unplaced; /* how many have no bucket: there was no memory */
	/* 16 buckets each, in units of 64 bytes from the beginning of the process's heap; 0: none. */
	uint32_t octaves[TRACE_OCTAVES];
	uint32_t unused[4];
};

/* What a thread has of a probe. */
struct trace_duration_entry {
	uint32_t histogram; /* as above; 0: none yet */
	uint32_t depth;	    /* calls that are running */
};

#define TRACE_DURATION_PAGE 256u /* entries */

/* A thread's table of them; in pages, since most probes are not hit by most threads. */
struct trace_duration_table {
	struct trace_owned owned;
	uint32_t unused[12];
	uint32_t pages[TRACE_DURATION_PROBES / TRACE_DURATION_PAGE]; /* as above; 0: none yet */
};

/**
 * A table for the calling thread: one of a thread that is no more, or a new one. No call is running in
 * it.
 *
 * @return   NULL: there is no memory.
 * Context:  TRAP_PATH; some system calls.
 */
EP_TRAP_PATH struct trace_duration_table *trace_durations_take(const struct trace_memory *all);

/* Find a place, or make it. The slow road of trace_durations_find(). */
EP_TRAP_PATH struct trace_histogram *trace_durations_make(const struct trace_memory *all,
							  struct trace_duration_table *table,
							  uint32_t probe,
							  struct trace_duration_entry **ret_entry);

/* Gives @histogram a bucket for @value. */
EP_TRAP_PATH void trace_durations_add_slow(const struct trace_memory *all,
					   struct trace_histogram *histogram, uint64_t value);

/**
 * The calling thread's histogram of @probe, an index in the process's table.
 *
 * @table      That of the thread.
 * @ret_entry  What it has of the probe.
 *
 * @return   NULL: there is no memory, or no room in the table.
 * Context:  TRAP_PATH. At the first use it is made.
 */
static inline __attribute__((always_inline)) struct trace_histogram *
trace_durations_find(const struct trace_memory *all, struct trace_duration_table *table,
		     uint32_t probe, struct trace_duration_entry **ret_entry)
{
	struct trace_duration_entry *page;
	struct trace_histogram *ret;

	if (probe >= TRACE_DURATION_PROBES)
		return NULL;
	page = trace_memory_at(all, table->pages[probe / TRACE_DURATION_PAGE],
			       TRACE_DURATION_PAGE * sizeof(*page));
	if (!page)
		return trace_durations_make(all, table, probe, ret_entry);
	*ret_entry = &page[probe % TRACE_DURATION_PAGE];
	ret = trace_memory_at(all, (*ret_entry)->histogram, sizeof(*ret));
	return ret ? ret : trace_durations_make(all, table, probe, ret_entry);
}

/* Seldom more than a look. A signal handler may raise it in between. */
static inline __attribute__((always_inline)) void trace_durations_raise(uint64_t *to,
									uint64_t value)
{
	uint64_t old = __atomic_load_n(to, __ATOMIC_RELAXED);

	while (__builtin_expect(value > old, 0) &&
	       !__atomic_compare_exchange_n(to, &old, value, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED))
		;
}

/**
 * Count a call that took @value.
 *
 * @self     What of it was not spent in other calls that were timed.
 * @nested   It was made while another call of the same probe was running in the thread.
 * Context:  TRAP_PATH.
 */
static inline __attribute__((always_inline)) void
trace_durations_add(const struct trace_memory *all, struct trace_histogram *histogram,
		    uint64_t value, uint64_t self, bool nested)
{
	uint32_t octave;
	uint64_t *buckets;

	if (value > TRACE_DURATION_MAX)
		value = TRACE_DURATION_MAX;
	octave = trace_octave_of(value);
	buckets = trace_memory_at(all, histogram->octaves[octave],
				  TRACE_OCTAVE_BUCKETS * sizeof(*buckets));
	if (__builtin_expect(buckets != NULL, 1))
		TRACE_ADD(buckets[trace_bucket_of(value, octave)], 1);
	else
		trace_durations_add_slow(all, histogram, value);
	TRACE_ADD(histogram->sum, value);
	TRACE_ADD(histogram->self, self);
	if (nested)
		TRACE_ADD(histogram->nested, value);
	trace_durations_raise(&histogram->longest, value);
	trace_durations_raise(&histogram->shortest_inverted, ~value);
}

/**
 * Forget all that @process has measured, in the child of a fork, whose memory is its own.
 * Context:  TRAP_PATH; trace_durations_take() comes next, in every thread.
 */
EP_TRAP_PATH void trace_durations_clear(struct trace_process *process);

/* ---- all of them ---------------------------------------------------------------------------- */

/* Of any number of threads and processes. Zeroed memory is an empty one. */
struct trace_duration_sum {
	uint64_t count, sum, nested, self, longest, shortest_inverted, unplaced; /* as above */
	uint64_t *octaves[TRACE_OCTAVES]; /* 16 buckets each; NULL: all of them are 0 */
};

/**
 * Add up what @process has measured so far, believing nothing that stands in the session.
 *
 * @process  Index of its entry.
 * @count    Of its probes.
 * @ret      One for each of them; NULL: the probe has not been timed, and gets one if it was.
 *
 * @return   0 or -EP_NO_MEMORY: there is no more in @arena, and something is left out.
 * Context:  any thread.
 */
int trace_durations_read(const struct trace_session *session, uint64_t process, uint32_t count,
			 struct trace_arena *arena, struct trace_duration_sum **ret);

/** @return 0 or -EP_NO_MEMORY: something is left out. Context: any thread. */
int trace_durations_merge(struct trace_duration_sum *to, const struct trace_duration_sum *from,
			  struct trace_arena *arena);

/**
 * The duration that @part of 1,000 calls did not exceed, as near as the buckets say: within 1/32. None
 * is shorter than the shortest, or longer than the longest.
 *
 * @return   0: there are no calls.
 * Context:  any.
 */
uint64_t trace_durations_percentile(const struct trace_duration_sum *sum, uint32_t part);

#endif
