/* SPDX-License-Identifier: MIT */
/*
 * What was hit how often: a table for people, objects for machines. One thread at a time may ask for
 * any of it, since lines are put together in one place.
 */
#ifndef EMUPROBE_TRACE_REPORT_SUMMARY_H
#define EMUPROBE_TRACE_REPORT_SUMMARY_H

#include <stdbool.h>

#include "trace/base/arena.h"
#include "trace/report/line.h"
#include "trace/report/totals.h"

/**
 * The table: the hits of all processes added up, the most hit first. Of many probes, only those
 * that were hit, unless @verbose.
 *
 * @return   0, -EP_NO_MEMORY or what the sink returned.
 * Context:  one thread at a time, of all that call anything here; calls neither the allocator nor
 *           stdio.
 */
int trace_summary_table(const struct trace_summary_process *processes, size_t count, bool verbose,
			struct trace_arena *arena, const struct trace_sink *sink);

/* An event at a place, of all processes together. */
struct trace_summary_row {
	const struct trace_view *view;
	uint64_t hits;
	bool is_timed;
	uint64_t total, p50, p99; /* of its calls, in nanoseconds */
};

/**
 * Call @visit for each that is not refused, in an order that stays the same, until it returns other than 0.
 *
 * @return   0, -EP_NO_MEMORY or what @visit returned.
 * Context:  as trace_summary_table().
 */
int trace_summary_each(const struct trace_summary_process *processes, size_t count,
		       struct trace_arena *arena,
		       int (*visit)(const struct trace_summary_row *row, void *data), void *data);

/**
 * One JSON object for each probe of each process. None is cut: one that is longer than 64 KiB comes
 * in several parts.
 */
int trace_summary_json(const struct trace_summary_process *processes, size_t count,
		       struct trace_arena *arena, const struct trace_sink *sink);

/**
 * How long the calls took that @event is of, as bars: one figure for each place.
 *
 * @return   -EP_NO_MATCH: there is no such event of calls. Else as trace_summary_table().
 */
int trace_summary_bars(const struct trace_summary_process *processes, size_t count,
		       const char *event, struct trace_arena *arena, const struct trace_sink *sink);

/** For each probe its definition, which its place is; in a comment, if it is refused. */
int trace_summary_definitions(const struct trace_summary_process *process,
			      const struct trace_sink *sink);

/** For each probe: place, instruction, plan, reason, and how calls are followed. */
int trace_summary_explain(const struct trace_summary_process *process,
			  const struct trace_sink *sink);

#endif
