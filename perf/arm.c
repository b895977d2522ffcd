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

#define BURSTS	  40
#define TRAP_HITS 50 /* of a burst */
#define JUMP_HITS 5000

/* name, column, unit, the figure of the same run that it is compared with */
#define FIGURES(X)                                                                                 \
	X(START, "start", "us", NONE)                                                              \
	X(ARM_ALL, "arm all", "ms", NONE)                                                          \
	X(ARM, "arm", "ns", NONE)                                                                  \
	X(ARM_AGAIN, "arm again", "ns", NONE)                                                      \
	X(REMOVE, "remove", "ns", NONE)                                                            \
	X(MEMORY, "memory", "B", NONE)                                                             \
	X(HIT_ALONE, "hit one, one armed", "ns", NONE)                                             \
	X(HIT_ONE, "hit one, all armed", "ns", HIT_ALONE)                                          \
	X(HIT_ANY, "hit any", "ns", NONE)

enum figure {
#define FIGURE_ENUM(name, column, unit, base) name,
	FIGURES(FIGURE_ENUM)
#undef FIGURE_ENUM
		NONE
};

static const struct {
	const char *column, *unit;
	enum figure base;
} figures_of[NONE] = {
#define FIGURE_ROW(name, column, unit, base) {column, unit, base},
	FIGURES(FIGURE_ROW)
#undef FIGURE_ROW
};

enum way { BATCHED, ONE_BY_ONE, JUMPS, WAYS };

static const char *const way_names[WAYS] = {", batched", ", one by one", ", jumps"};

/* All figures of a round come from one child. */
struct run {
	char row[48];
	size_t count;
	enum way way;
	double figures[NONE];
	unsigned taken; /* set of the figures that were reported already */
};

/* ---- in the child -------------------------------------------------------------------------- */

static struct ep_options options = {.size = sizeof(options), .plan = EP_PLAN_TRAP};
static struct ep_request requests[MOST];
static struct ep_probe *probes[MOST];

/* Entries first, then what is behind the first instruction, and so on. */
static const char *address_of(size_t i)
{
	static const unsigned char offsets[MANY_INSNS] = {0, 1, 3, 5, 6, 7, 8, 9, 10, 11};

	return many_functions + i % MANY * MANY_DISTANCE + offsets[i / MANY];
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
		fprintf(stderr, "arm: %zu of %zu probes were refused\n", failed, count);
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

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Hits @spread probes in turn, in short bursts; the quartile. */
static double hit(size_t spread, size_t hits)
{
	double bursts[BURSTS];

	for (size_t i = 0; i < BURSTS; i++) {
		uint64_t start = perf_now_ns();

		for (size_t j = 0; j < hits; j++)
			((void (*)(void))address_of(scattered(i * hits + j, spread)))();
		bursts[i] = (double)(perf_now_ns() - start) / (double)hits;
	}
	qsort(bursts, BURSTS, sizeof(*bursts), by_value);
	return bursts[BURSTS / 4];
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

static double hit_one(enum way way)
{
	return hit(1, way == JUMPS ? JUMP_HITS : TRAP_HITS);
}

static double hit_alone(enum way way)
{
	bool batched = way != ONE_BY_ONE;
	double ret;

	create(1, batched);
	ret = hit_one(way);
	remove_all(1, batched);
	return ret;
}

/* All that one process can say. */
static void measure(size_t count, enum way way, double *figures)
{
	bool batched = way != ONE_BY_ONE;
	double before;
	uint64_t start;

	options.plan = way == JUMPS ? EP_PLAN_JUMP : EP_PLAN_TRAP;
	for (size_t i = 0; i < count; i++)
		requests[i] = (struct ep_request){.addr = address_of(scattered(i, count)),
						  .options = &options};
	figures[START] = start_engine() / 1e3;
	before = private_bytes();
	start = perf_now_ns();
	create(count, batched);
	figures[ARM_ALL] = since(start, 1) / 1e6;
	figures[ARM] = figures[ARM_ALL] * 1e6 / (double)count;
	figures[MEMORY] = (private_bytes() - before) / (double)count;
	figures[HIT_ONE] = hit_one(way);
	figures[HIT_ANY] = hit(count < MANY ? count : MANY, TRAP_HITS);
	start = perf_now_ns();
	remove_all(count, batched);
	figures[REMOVE] = since(start, count);
	start = perf_now_ns();
	create(count, batched);
	figures[ARM_AGAIN] = since(start, count);
	remove_all(count, batched);
	figures[HIT_ALONE] = hit_alone(way);
}

/* ---- in the parent ------------------------------------------------------------------------- */

static void measure_in_child(struct run *run)
{
	int ends[2];
	pid_t child;

	for (size_t i = 0; i < NONE; i++)
		run->figures[i] = NAN;
	if (pipe(ends) != 0)
		abort();
	child = fork();
	if (child == 0) {
		measure(run->count, run->way, run->figures);
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

#define TAKE(name, column, unit, base)                                                             \
	static double take_##name(void *data)                                                      \
	{                                                                                          \
		return take(data, name);                                                           \
	}
FIGURES(TAKE)
#undef TAKE

static double (*const takes[NONE])(void *) = {
#define TAKE_ROW(name, column, unit, base) take_##name,
	FIGURES(TAKE_ROW)
#undef TAKE_ROW
};

static const char *refuse(void *data)
{
	(void)data;
	return "takes too long for a quick run";
}

static const char *refuse_hits(void *data)
{
	(void)data;
	return "five of these probes are in each call";
}

static bool is_hit(enum figure figure)
{
	return figure == HIT_ALONE || figure == HIT_ONE || figure == HIT_ANY;
}

/* Seconds: one by one, each has to wait for every processor. */
static bool is_long(size_t count, enum way way)
{
	return count == MOST || (way == ONE_BY_ONE && count > 10000);
}

static bool is_too_long(size_t count, enum way way, const struct perf_options *perf_options)
{
	return (perf_options->quick && is_long(count, way)) ||
	       (perf_options->smoke && count > 1000);
}

/* More than there are functions is compared with as many: is it in proportion? */
static int baseline_of(enum figure figure, size_t count, int first)
{
	if (figures_of[figure].base != NONE)
		return first + (int)figures_of[figure].base;
	if (count == MOST && (figure == ARM || figure == REMOVE || figure == MEMORY))
		return first - NONE + (int)figure;
	return -1;
}

typedef const char *(*reason)(void *);

static reason reason_for(enum figure figure, size_t count, enum way way,
			 const struct perf_options *perf_options)
{
	if (is_too_long(count, way, perf_options))
		return refuse;
	return count == MOST && is_hit(figure) ? refuse_hits : NULL;
}

static void add_run(struct perf_table *table, size_t count, enum way way,
		    const struct perf_options *perf_options)
{
	struct run *run = calloc(1, sizeof(*run));
	int first = (int)table->count;

	if (!run)
		abort();
	run->count = count;
	run->way = way;
	snprintf(run->row, sizeof(run->row), "%zu%s", count, way_names[way]);
	for (int i = 0; i < NONE; i++) {
		perf_add(table, (struct perf_case){
					.row = run->row,
					.column = figures_of[i].column,
					.unit = figures_of[i].unit,
					.begin = reason_for(i, count, way, perf_options),
					.value = takes[i],
					.data = run,
					.rounds = is_long(count, way) ? 2 : 0,
					.against = baseline_of(i, count, first),
				});
	}
}

static const struct perf_aim aims[] = {{"hit one, all armed", true, NAN, 1.05},
				       {"arm", true, NAN, 1.5},
				       {"memory", true, NAN, 1.5},
				       {.column = NULL}};

int main(int argc, char **argv)
{
	struct perf_table table = {
		.program = "arm",
		.question = "What do many probes cost to arm, remove, keep and hit? (each)",
		.aims = aims};
	struct perf_options perf_options;

	perf_parse(argc, argv, &perf_options);
	if (perf_options.repetitions > 11)
		perf_options.repetitions = 11;
	perf_pin(0);
	for (enum way way = 0; way < WAYS; way++)
		for (size_t count = 1; count <= (way == BATCHED ? MOST : MANY); count *= 10)
			add_run(&table, count, way, &perf_options);
	return perf_run(&table, &perf_options);
}
