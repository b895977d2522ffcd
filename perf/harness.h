/* SPDX-License-Identifier: MIT */
/*
 * Measures a table of cases round robin, so that what drifts (clock, neighbours, heat) hits all of
 * them alike, and compares each with its baseline within the same round.
 */
#ifndef EMUPROBE_PERF_HARNESS_H
#define EMUPROBE_PERF_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A burst, and one of the baseline right behind it. */
struct perf_pair {
	double value, base;
};

struct perf_case {
	const char *row, *column; /* its place in the table */
	const char *unit;	  /* NULL: ns */
	bool rate;		  /* more is better */
	/* Before and after each burst, not timed; may be NULL. begin() returns NULL, or why the
	   case is skipped: a string that stays. */
	const char *(*begin)(void *data);
	void (*end)(void *data);
	/* One of these: timed, and divided by @loops; or the sample itself, NAN: it failed. Then
	   a sample is one burst, and its pair is the baseline's sample of the same round. */
	void (*loop)(void *data, uint64_t loops);
	double (*value)(void *data);
	void *data;
	int against;	    /* index of the baseline, -1: none */
	double scale;	    /* what one loop counts for; 0: 1 */
	uint64_t max_loops; /* in one burst; 0: as many as take options.burst_ns */
	bool all_pairs;	    /* compare all, and not only the quietest */
	unsigned rounds;    /* measure it in the first so many rounds only; 0: in all */

	/* the harness's own */
	uint64_t loops;
	double *samples; /* of each round: the fastest burst */
	unsigned sample_count;
	struct perf_pair *pairs; /* of each burst, if it is compared */
	size_t pair_count;
	const char *skipped;
};

/* What a column is meant to reach: the median and the worst over its rows, against baselines. */
struct perf_aim {
	const char *column;
	bool ratio;	      /* of ratios, not of differences */
	double median, worst; /* NAN: none */
};

struct perf_table {
	const char *program, *question;
	const struct perf_aim *aims; /* ended by one without a column; NULL: no summary */
	struct perf_case *cases;
	size_t count, capacity;
};

struct perf_options {
	unsigned repetitions;
	unsigned bursts;   /* in a sample */
	uint64_t burst_ns; /* each at least this long */
	const char *json;  /* file to write, NULL: none */
	const char *only;  /* measure only rows or columns that contain this, and baselines */
	bool quick;
	bool smoke; /* figures do not matter: leave out what takes long */
};

/*
 * "--quick --smoke --repetitions N --json FILE --only TEXT"; exits with a message on anything
 * else.
 */
void perf_parse(int argc, char **argv, struct perf_options *ret);

/** Append a case; returns its index, for .against. */
int perf_add(struct perf_table *table, struct perf_case one);

/** Measure everything, print the table, write the JSON. Returns the exit status. */
int perf_run(struct perf_table *table, const struct perf_options *options);

uint64_t perf_now_ns(void);

/** Keep this thread on the @nth CPU that it may use; returns false when there is none. */
bool perf_pin(unsigned nth);

/** How many CPUs this process may use. */
unsigned perf_cpus(void);

#endif
