/* SPDX-License-Identifier: MIT */
/* What the samples of a case say, alone and next to its baseline. */
#ifndef EMUPROBE_PERF_STATS_H
#define EMUPROBE_PERF_STATS_H

#include "perf/harness.h"

struct perf_stats {
	double median, best, p10, p90;
};

/* The medians over the quietest pairs. */
struct perf_comparison {
	double ratio, difference;
};

struct perf_stats perf_stats_of(const struct perf_case *one);

/** Returns false where there is no baseline, or one of the two was skipped. */
bool perf_compare(const struct perf_table *table, const struct perf_case *one,
		  struct perf_comparison *ret);

/* Over the rows of one column. */
struct perf_column {
	const char *name, *worst_row;
	const struct perf_case *base; /* the baseline of its first row */
	unsigned rows;
	double median, worst; /* of ratios or differences */
};

/** Fills @ret; returns false where no row of the column can be compared. */
bool perf_column_of(const struct perf_table *table, const char *column, bool ratio,
		    struct perf_column *ret);

/** Does the column reach what it is meant to? */
bool perf_aim_met(const struct perf_aim *aim, const struct perf_column *column);

#endif
