/* SPDX-License-Identifier: MIT */
/*
 * A machine is never quiet: clocks change, neighbours come and go. So no case is measured in one
 * piece. Each round takes one short sample of every case, in turn; what is reported is the median
 * over the rounds, the minimum, and the spread between the 10th and the 90th percentile; and a
 * comparison is the median of the ratios (or differences) within the rounds, not a ratio of two
 * medians from different times.
 */
#include "perf/harness.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "perf/report.h"

uint64_t perf_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Asked once: pinning changes the answer. */
static const cpu_set_t *usable_cpus(void)
{
	static cpu_set_t set;

	if (CPU_COUNT(&set) == 0)
		sched_getaffinity(0, sizeof(set), &set);
	return &set;
}

unsigned perf_cpus(void)
{
	return (unsigned)CPU_COUNT(usable_cpus());
}

bool perf_pin(unsigned nth)
{
	cpu_set_t one;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, usable_cpus()) || nth-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		return sched_setaffinity(0, sizeof(one), &one) == 0;
	}
	return false;
}

/* ---- options and the table ----------------------------------------------------------------- */

static const char *argument_of(int *i, int argc, char **argv)
{
	if (++*i < argc)
		return argv[*i];
	fprintf(stderr, "%s: %s needs an argument\n", argv[0], argv[*i - 1]);
	exit(2);
}

void perf_parse(int argc, char **argv, struct perf_options *ret)
{
	*ret = (struct perf_options){.repetitions = 51, .sample_ns = 2000000};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			*ret = (struct perf_options){.repetitions = 5,
						     .sample_ns = 100000,
						     .json = ret->json,
						     .only = ret->only,
						     .quick = true};
		} else if (strcmp(argv[i], "--repetitions") == 0) {
			ret->repetitions = (unsigned)atoi(argument_of(&i, argc, argv));
		} else if (strcmp(argv[i], "--json") == 0) {
			ret->json = argument_of(&i, argc, argv);
		} else if (strcmp(argv[i], "--only") == 0) {
			ret->only = argument_of(&i, argc, argv);
		} else {
			fprintf(stderr,
				"usage: %s [--quick] [--repetitions N] [--json FILE] "
				"[--only TEXT]\n",
				argv[0]);
			exit(2);
		}
	}
	if (ret->repetitions == 0)
		ret->repetitions = 1;
}

int perf_add(struct perf_table *table, struct perf_case one)
{
	if (table->count == table->capacity) {
		table->capacity = table->capacity ? table->capacity * 2 : 32;
		table->cases = reallocarray(table->cases, table->capacity, sizeof(one));
		if (!table->cases)
			abort();
	}
	if (one.scale == 0)
		one.scale = 1;
	table->cases[table->count] = one;
	return (int)table->count++;
}

/* ---- measuring ----------------------------------------------------------------------------- */

static double time_loops(const struct perf_case *one, uint64_t loops)
{
	uint64_t start = perf_now_ns();

	one->loop(one->data, loops);
	return (double)(perf_now_ns() - start);
}

/* As many loops as a sample needs. */
static void calibrate(struct perf_case *one, uint64_t sample_ns)
{
	one->loops = 1;
	while (one->loop && one->loops < UINT64_C(1) << 40 &&
	       time_loops(one, one->loops) < (double)sample_ns)
		one->loops *= 2;
}

static double sample(struct perf_case *one)
{
	if (one->value)
		return one->value(one->data);
	one->loop(one->data, one->loops / 16 + 4); /* caches, branch history, copied pages */
	return time_loops(one, one->loops) / (double)one->loops / one->scale;
}

static void measure(struct perf_case *one, int round, const struct perf_options *options)
{
	if (one->skipped)
		return;
	if (one->begin)
		one->skipped = one->begin(one->data);
	if (one->skipped)
		return;
	if (round < 0)
		calibrate(one, options->sample_ns);
	else
		one->samples[round] = sample(one);
	if (round >= 0 && isnan(one->samples[round]))
		one->skipped = "no result";
	if (one->end)
		one->end(one->data);
}

static bool is_baseline(const struct perf_table *table, size_t index)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->cases[i].against == (int)index)
			return true;
	return false;
}

static bool is_wanted(const struct perf_table *table, size_t index, const char *only)
{
	const struct perf_case *one = &table->cases[index];

	return !only || strstr(one->row, only) || strstr(one->column, only) ||
	       is_baseline(table, index);
}

int perf_run(struct perf_table *table, const struct perf_options *options)
{
	for (size_t i = 0; i < table->count; i++) {
		table->cases[i].samples = calloc(options->repetitions, sizeof(double));
		if (!table->cases[i].samples)
			return 1;
		if (!is_wanted(table, i, options->only))
			table->cases[i].skipped = "not asked for";
	}
	for (int round = -1; round < (int)options->repetitions; round++)
		for (size_t i = 0; i < table->count; i++)
			measure(&table->cases[i], round, options);
	return perf_report(table, options);
}
