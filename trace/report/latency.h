/* SPDX-License-Identifier: MIT */
/* How long calls took: a table and bars for people, buckets for machines. */
#ifndef EMUPROBE_TRACE_REPORT_LATENCY_H
#define EMUPROBE_TRACE_REPORT_LATENCY_H

#include "include/emuprobe.h"
#include "trace/clock/clock.h"
#include "trace/report/line.h"
#include "trace/session/durations.h"

/* Of one probe. */
struct trace_latency {
	const char *event, *place;
	struct ep_counts counts;
	const struct trace_duration_sum *sum; /* NULL: no call was timed */
};

/* How it was measured. */
struct trace_latency_unit {
	const struct trace_clock_map *clock;
	uint32_t sample; /* one call in so many was timed; 0 and 1: each */
};

/**
 * One row for each, those first on which the most time was spent. They are sorted.
 *
 * @return   0 or what the sink returned.
 * Context:  as trace_line_init(); calls neither the allocator nor stdio.
 */
int trace_latency_table(struct trace_latency *rows, size_t count,
			const struct trace_latency_unit *unit, const struct trace_sink *sink);

/** A bar for each bucket, or for some that stand side by side, where there are many. */
int trace_latency_bars(const struct trace_latency *row, const struct trace_latency_unit *unit,
		       const struct trace_sink *sink);

/* What is shown of it where there is little room; nanoseconds. */
struct trace_latency_brief {
	uint64_t total, p50, p99;
};

struct trace_latency_brief trace_latency_brief(const struct trace_latency *row,
					       const struct trace_latency_unit *unit);

/** The keys of a JSON object, a comma before each, behind what is in @line; some of it may be written. */
int trace_latency_json(const struct trace_latency *row, const struct trace_latency_unit *unit,
		       struct trace_line *line, const struct trace_sink *sink);

#endif
