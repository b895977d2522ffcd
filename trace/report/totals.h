/* SPDX-License-Identifier: MIT */
/* What a process has counted and measured, added up over its threads. */
#ifndef EMUPROBE_TRACE_REPORT_TOTALS_H
#define EMUPROBE_TRACE_REPORT_TOTALS_H

#include <stdbool.h>

#include "trace/base/arena.h"
#include "trace/report/latency.h"
#include "trace/session/session.h"
#include "trace/session/view.h"

#define TRACE_TOTALS_SUMS_MAX                                                                      \
	(256ul << 20) /* bytes of durations; the program says how many there are */

struct trace_summary_process {
	int pid;
	const struct trace_view *views;
	const struct ep_counts *counts; /* NULL: nothing was armed */
	/* Whose threads' counters to add; NULL: all is in counts. */
	const struct trace_process *process;
	const struct trace_session *session;
	const struct trace_process *timed; /* whose calls' durations to add; NULL: none */
	struct trace_latency_unit unit;	   /* of these */
	uint32_t count;
	bool known;	   /* all this has been filled in */
	uint32_t revision; /* of the set that the views were read from */
	size_t longest;	   /* trace_reader_longest() of the views */
};

/* Of one process at a time. */
struct trace_totals {
	struct ep_counts *counts;	  /* one for each probe */
	struct trace_duration_sum **sums; /* likewise; NULL: nothing was timed */
	struct trace_arena scratch;	  /* where these are */
};

/**
 * Room for the one of @processes that has the most probes.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  any thread; calls neither the allocator nor stdio.
 */
int trace_totals_init(struct trace_totals *totals, const struct trace_summary_process *processes,
		      size_t count, struct trace_arena *arena);
void trace_totals_deinit(struct trace_totals *totals);

/**
 * They may still change: so all that is said of a process comes from one look at them. What was read
 * of another process is gone.
 *
 * @return   0 or -EP_NO_MEMORY: some of the durations are left out.
 */
int trace_totals_read(const struct trace_summary_process *process, struct trace_totals *ret);

#endif
