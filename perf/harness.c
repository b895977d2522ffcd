/* SPDX-License-Identifier: MIT */
/*
 * A machine is never quiet: clocks change, neighbours come and go. So no case is measured in one
 * piece. Each round takes one sample of every case, in turn; a sample is the fastest of a few
 * bursts, each shorter than a scheduler's tick, so that one interruption does not spoil it. Right
 * behind each burst comes one of the baseline. stats.c makes figures of all this.
 */
#include "perf/harness.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "perf/report.h"

#define TRIES 3

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

static void be_quick(struct perf_options *options)
{
	options->repetitions = 5;
	options->bursts = 4;
	options->burst_ns = 30000;
	options->quick = true;
}

static void be_brief(struct perf_options *options)
{
	be_quick(options);
	options->repetitions = options->bursts = 1;
	options->smoke = true;
}

void perf_parse(int argc, char **argv, struct perf_options *ret)
{
	*ret = (struct perf_options){.repetitions = 51, .bursts = 8, .burst_ns = 100000};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			be_quick(ret);
		} else if (strcmp(argv[i], "--smoke") == 0) {
			be_brief(ret);
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

/* The fastest of some: one that was interrupted says nothing. */
static double time_best(const struct perf_case *one, uint64_t loops)
{
	double ret = time_loops(one, loops);

	for (int i = 1; i < TRIES; i++) {
		double again = time_loops(one, loops);

		if (again < ret)
			ret = again;
	}
	return ret;
}

/* As many loops as a burst needs. */
static void calibrate(struct perf_case *one, uint64_t burst_ns)
{
	uint64_t limit = one->max_loops ? one->max_loops : UINT64_C(1) << 40;

	one->loops = 1;
	while (one->loops < limit && time_best(one, one->loops) < (double)burst_ns)
		one->loops *= 2;
	if (one->loops > limit)
		one->loops = limit;
}

static double take(struct perf_case *one)
{
	if (one->value)
		return one->value(one->data);
	one->loop(one->data, one->loops / 8 + 8); /* caches, branch history, copied pages */
	return time_loops(one, one->loops) / (double)one->loops / one->scale;
}

/* NAN where there is none. */
static double burst(struct perf_case *one)
{
	double ret;

	if (one->begin && !one->skipped)
		one->skipped = one->begin(one->data);
	if (one->skipped)
		return NAN;
	ret = take(one);
	if (one->end)
		one->end(one->data);
	if (isnan(ret))
		one->skipped = "no result";
	return ret;
}

static bool better(const struct perf_case *one, double a, double b)
{
	return isnan(b) || (one->rate ? a > b : a < b);
}

static double sample_of(const struct perf_case *one, unsigned round)
{
	return round < one->sample_count ? one->samples[round] : NAN;
}

static void pair(struct perf_case *one, struct perf_case *base, double value, unsigned round)
{
	struct perf_pair ret = {value,
				one->loop && base->loop ? burst(base) : sample_of(base, round)};

	if (!isnan(ret.base))
		one->pairs[one->pair_count++] = ret;
}

static unsigned rounds_of(const struct perf_case *one, const struct perf_options *options)
{
	return one->rounds && one->rounds < options->repetitions ? one->rounds
								 : options->repetitions;
}

static void measure(struct perf_table *table, struct perf_case *one, unsigned round,
		    const struct perf_options *options)
{
	unsigned bursts = one->loop ? options->bursts : 1;

	if (one->skipped || round >= rounds_of(one, options))
		return;
	one->samples[round] = NAN;
	for (unsigned i = 0; i < bursts && !one->skipped; i++) {
		double value = burst(one);

		if (one->skipped)
			return;
		if (better(one, value, one->samples[round]))
			one->samples[round] = value;
		if (one->against >= 0)
			pair(one, &table->cases[one->against], value, round);
	}
	one->sample_count = round + 1;
}

static void prepare(struct perf_case *one, const struct perf_options *options)
{
	if (one->skipped || !one->loop)
		return;
	if (one->begin)
		one->skipped = one->begin(one->data);
	if (one->skipped)
		return;
	calibrate(one, options->burst_ns);
	if (one->end)
		one->end(one->data);
}

static bool is_named(const struct perf_case *one, const char *only)
{
	return !only || strstr(one->row, only) || strstr(one->column, only);
}

/* By itself, or as a baseline. */
static bool is_wanted(const struct perf_table *table, size_t index, const char *only)
{
	if (is_named(&table->cases[index], only))
		return true;
	for (size_t i = 0; i < table->count; i++)
		if (table->cases[i].against == (int)index && is_named(&table->cases[i], only))
			return true;
	return false;
}

static bool reserve(struct perf_case *one, const struct perf_options *options)
{
	size_t pairs = (size_t)options->repetitions * options->bursts;

	one->samples = calloc(options->repetitions, sizeof(*one->samples));
	one->pairs = calloc(pairs, sizeof(*one->pairs));
	return one->samples && one->pairs;
}

int perf_run(struct perf_table *table, const struct perf_options *options)
{
	for (size_t i = 0; i < table->count; i++) {
		if (!reserve(&table->cases[i], options))
			return 1;
		if (!is_wanted(table, i, options->only))
			table->cases[i].skipped = "not asked for";
		prepare(&table->cases[i], options);
	}
	for (unsigned round = 0; round < options->repetitions; round++)
		for (size_t i = 0; i < table->count; i++)
			measure(table, &table->cases[i], round, options);
	return perf_report(table, options);
}
