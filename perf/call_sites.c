/* SPDX-License-Identifier: MIT */
/*
 * What it costs that a followed function is called from many places: each gets a stub of its own, which is
 * made at its first call, looked up when the last call came from elsewhere, and stays. What was made stays
 * made, so each round runs in a process of its own.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "perf/call_sites.h"
#include "perf/harness.h"

#define BURSTS 40
#define CALLS  2000 /* of a burst */

/* name, column, unit, the figure of the same run that it is compared with */
#define FIGURES(X)                                                                                 \
	X(BARE, "bare call", "ns", NONE)                                                           \
	X(FIRST, "first call", "ns", NONE)                                                         \
	X(SAME, "call from the last place", "ns", NONE)                                            \
	X(ANY, "call from another place", "ns", BARE)                                              \
	X(MEMORY, "memory a place", "B", NONE)

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

/* All figures of a round come from one child. */
struct run {
	char row[32];
	size_t places;
	double figures[NONE];
	unsigned taken; /* set of the figures that were reported already */
};

/* ---- in the child -------------------------------------------------------------------------- */

/* All over them, each once. */
static void call_from(size_t i, size_t places)
{
	size_t place = i * 61681 % places; /* a prime that divides no power of ten */

	((void (*)(void))(call_sites + place * CALL_SITES_DISTANCE))();
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* In short bursts; the quartile. */
static double call(size_t places)
{
	double bursts[BURSTS];

	for (size_t i = 0; i < BURSTS; i++) {
		uint64_t start = perf_now_ns();

		for (size_t j = 0; j < CALLS; j++)
			call_from(i * CALLS + j, places);
		bursts[i] = (double)(perf_now_ns() - start) / CALLS;
	}
	qsort(bursts, BURSTS, sizeof(*bursts), by_value);
	return bursts[BURSTS / 4];
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

static void measure(size_t places, double *figures)
{
	const struct ep_options options = {
		.size = sizeof(options), .plan = EP_PLAN_JUMP, .flags = EP_CALLS};
	struct ep_probe *probe;
	double before;
	uint64_t start;

	figures[BARE] = call(places);
	if (ep_probe_create(call_sites_callee, &options, &probe))
		return;
	before = private_bytes();
	start = perf_now_ns();
	for (size_t i = 0; i < places; i++)
		call_from(i, places);
	figures[FIRST] = (double)(perf_now_ns() - start) / (double)places;
	figures[MEMORY] = (private_bytes() - before) / (double)places;
	figures[ANY] = call(places);
	figures[SAME] = call(1);
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
		measure(run->places, run->figures);
		_exit(write(ends[1], run->figures, sizeof(run->figures)) < 0);
	}
	close(ends[1]);
	if (read(ends[0], run->figures, sizeof(run->figures)) != sizeof(run->figures))
		fprintf(stderr, "call_sites: the run with %zu places died\n", run->places);
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

static void add_run(struct perf_table *table, size_t places)
{
	struct run *run = calloc(1, sizeof(*run));
	int first = (int)table->count;

	if (!run)
		abort();
	run->places = places;
	snprintf(run->row, sizeof(run->row), "%zu", places);
	for (int i = 0; i < NONE; i++)
		perf_add(table, (struct perf_case){
					.row = run->row,
					.column = figures_of[i].column,
					.unit = figures_of[i].unit,
					.value = takes[i],
					.data = run,
					.against = figures_of[i].base == NONE
							   ? -1
							   : first + (int)figures_of[i].base,
				});
}

int main(int argc, char **argv)
{
	struct perf_table table = {
		.program = "call_sites",
		.question = "What do 1 to 10,000 places that call a followed function cost?",
	};
	struct perf_options options;

	perf_parse(argc, argv, &options);
	for (size_t places = 1; places <= CALL_SITES; places *= 10)
		add_run(&table, places);
	return perf_run(&table, &options);
}
