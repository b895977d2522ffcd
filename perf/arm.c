/* SPDX-License-Identifier: MIT */
/*
 * What many probes cost: to arm them, to remove them, in memory, and at each hit. The engine keeps
 * what it made for an address, so only the first time shows the whole price: each round runs in a
 * process of its own, which has never probed anything.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "perf/harness.h"
#include "perf/many.h"
#include "perf/shapes.h"

#define HITS 2000

enum figure { START, ARM, ARM_AGAIN, REMOVE, MEMORY, HIT_ONE, HIT_ANY, FIGURES };

static const char *const figure_names[FIGURES] = {
	"start", "arm", "arm again", "remove", "memory", "hit one", "hit any",
};

/* All figures of a round come from one child. */
struct run {
	char row[32];
	size_t count;
	bool batched;
	double figures[FIGURES];
	unsigned taken; /* set of the figures that were reported already */
};

/* ---- in the child -------------------------------------------------------------------------- */

static struct ep_options options = {.size = sizeof(options), .plan = EP_PLAN_TRAP};
static struct ep_request requests[MANY];
static struct ep_probe *probes[MANY];

static const char *address_of(size_t i)
{
	return many_functions + i * MANY_DISTANCE;
}

/* All over the functions, each once. */
static size_t scattered(size_t i, size_t count)
{
	return i * 61681 % count; /* a prime that divides no power of ten */
}

static void create(size_t count, bool batched)
{
	size_t failed = 0;

	if (batched)
		failed = ep_probe_create_batch(requests, count);
	else
		for (size_t i = 0; i < count; i++)
			failed += ep_probe_create(requests[i].addr, &options, &probes[i]) != 0;
	for (size_t i = 0; batched && i < count; i++)
		probes[i] = requests[i].probe;
	if (failed)
		fprintf(stderr, "arm: %zu of %zu probes were refused: %s\n", failed, count,
			ep_strerror(requests[0].error));
}

static void remove_all(size_t count, bool batched)
{
	if (batched)
		ep_probe_remove_batch(probes, count);
	else
		for (size_t i = 0; i < count; i++)
			ep_probe_remove(probes[i]);
}

static double private_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	double kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Private_Dirty: %lf", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024;
}

static double hit(size_t spread)
{
	uint64_t start = perf_now_ns();

	for (size_t i = 0; i < HITS; i++)
		((void (*)(void))address_of(scattered(i, spread)))();
	return (double)(perf_now_ns() - start) / HITS;
}

static double since(uint64_t start, size_t count)
{
	return (double)(perf_now_ns() - start) / (double)count;
}

/* The first probe of a process pays for what the engine reads about it. */
static double start_engine(void)
{
	uint64_t start = perf_now_ns();
	struct ep_probe *probe;

	if (ep_probe_create((const void *)shape_push, &options, &probe) == 0)
		ep_probe_remove(probe);
	return since(start, 1);
}

static void measure(size_t count, bool batched, double *figures)
{
	double before;
	uint64_t start;

	memset(probes, 0, sizeof(probes));
	for (size_t i = 0; i < count; i++)
		requests[i] = (struct ep_request){.addr = address_of(scattered(i, count)),
						  .options = &options};
	figures[START] = start_engine();
	before = private_bytes();
	start = perf_now_ns();
	create(count, batched);
	figures[ARM] = since(start, count);
	figures[MEMORY] = (private_bytes() - before) / (double)count;
	hit(count); /* caches */
	figures[HIT_ONE] = hit(1);
	figures[HIT_ANY] = hit(count);
	start = perf_now_ns();
	remove_all(count, batched);
	figures[REMOVE] = since(start, count);
	start = perf_now_ns();
	create(count, batched);
	figures[ARM_AGAIN] = since(start, count);
}

/* ---- in the parent ------------------------------------------------------------------------- */

static void measure_in_child(struct run *run)
{
	int ends[2];
	pid_t child;

	for (size_t i = 0; i < FIGURES; i++)
		run->figures[i] = NAN;
	if (pipe(ends) != 0)
		abort();
	child = fork();
	if (child == 0) {
		measure(run->count, run->batched, run->figures);
		_exit(write(ends[1], run->figures, sizeof(run->figures)) < 0);
	}
	close(ends[1]);
	if (read(ends[0], run->figures, sizeof(run->figures)) != sizeof(run->figures))
		fprintf(stderr, "arm: the run with %zu probes died\n", run->count);
	close(ends[0]);
	waitpid(child, NULL, 0);
}

static double take(struct run *run, enum figure figure)
{
	if (run->taken == 0 || run->taken & 1u << figure) {
		measure_in_child(run);
		run->taken = 0;
	}
	run->taken |= 1u << figure;
	return run->figures[figure];
}

#define TAKE(name, figure)                                                                         \
	static double name(void *data)                                                             \
	{                                                                                          \
		return take(data, figure);                                                         \
	}
TAKE(take_start, START)
TAKE(take_arm, ARM)
TAKE(take_arm_again, ARM_AGAIN)
TAKE(take_remove, REMOVE)
TAKE(take_memory, MEMORY)
TAKE(take_hit_one, HIT_ONE)
TAKE(take_hit_any, HIT_ANY)
#undef TAKE

static double (*const takes[FIGURES])(void *) = {
	take_start, take_arm, take_arm_again, take_remove, take_memory, take_hit_one, take_hit_any,
};

static struct run *run_create(size_t count, bool batched)
{
	struct run *ret = calloc(1, sizeof(*ret));

	if (!ret)
		abort();
	ret->count = count;
	ret->batched = batched;
	snprintf(ret->row, sizeof(ret->row), "%zu%s", count, batched ? " batched" : "");
	return ret;
}

/* Hits are compared with those of the first row. */
static int add_run(struct perf_table *table, struct run *run, int first)
{
	int start = (int)table->count;

	for (int i = 0; i < FIGURES; i++)
		perf_add(table, (struct perf_case){.row = run->row,
						   .column = figure_names[i],
						   .unit = i == MEMORY ? "B" : NULL,
						   .value = takes[i],
						   .data = run,
						   .against = i >= HIT_ONE && first >= 0 ? first + i
											 : -1});
	return start;
}

int main(int argc, char **argv)
{
	struct perf_table table = {
		.program = "arm",
		.question = "What do many probes cost to arm, remove, keep and hit? (each)"};
	struct perf_options perf_options;
	int first = -1, start;

	perf_parse(argc, argv, &perf_options);
	if (perf_options.repetitions > 11)
		perf_options.repetitions = 11;
	perf_pin(0);
	for (int batched = 1; batched >= 0; batched--)
		for (size_t count = 1; count <= MANY; count *= 10) {
			start = add_run(&table, run_create(count, batched), first);
			first = first < 0 ? start : first;
		}
	return perf_run(&table, &perf_options);
}
