/* SPDX-License-Identifier: MIT */
/*
 * All threads hit the same probe at once: does each still pay what one alone pays? The bare call
 * and the bare trap are measured in the same way, for what the machine and the kernel take.
 *
 * Each thread runs short bursts, and more of them until the last thread is through its own: so every
 * burst that counts had all others for company. A thread's figure is the quartile of its bursts, a
 * sample the mean rate of the threads. What a single thread makes is its mean over several
 * processors, one after the other: short loops run at one of two speeds, by chance, and a single one
 * would have the better luck.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "perf/baseline.h"
#include "perf/harness.h"
#include "perf/recording.h"
#include "perf/shapes.h"

#define MAX_THREADS 256
#define BURSTS	    16
#define MAX_ALONE   4 /* processors on which one thread is measured */
/* What all bursts record is less than half of a ring: nobody has to take events out meanwhile. */
#define RING_SIZE    (4ul << 20)
#define RECORD_BURST 2000

__attribute__((target("general-regs-only"))) static void handler(struct ep_probe *probe,
								 struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
}

struct subject {
	char row[32];
	unsigned threads;
	void (*function)(void);
	struct ep_options options;
	struct ep_probe *probe;
	uint64_t loops; /* of a burst */
	bool floor, records;
};

/* ---- the threads --------------------------------------------------------------------------- */

struct worker {
	const struct subject *subject;
	pthread_barrier_t *step; /* ready, go, done, leave */
	_Atomic unsigned *busy;	 /* threads that still need company */
	pthread_t thread;
	unsigned index;
	double ns; /* out: a call */
};

static double burst(const struct subject *subject)
{
	void (*volatile function)(void) = subject->function;
	uint64_t start = perf_now_ns();

	for (uint64_t i = 0; i < subject->loops; i++)
		function();
	return (double)(perf_now_ns() - start) / (double)subject->loops;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void *work(void *data)
{
	struct worker *worker = data;
	double bursts[BURSTS];

	perf_pin(worker->index);
	pthread_barrier_wait(worker->step);
	pthread_barrier_wait(worker->step);
	burst(worker->subject);
	for (unsigned i = 0; i < BURSTS; i++)
		bursts[i] = burst(worker->subject);
	atomic_fetch_sub(worker->busy, 1);
	while (atomic_load(worker->busy))
		burst(worker->subject);
	pthread_barrier_wait(worker->step);
	pthread_barrier_wait(worker->step);
	qsort(bursts, BURSTS, sizeof(*bursts), by_value);
	worker->ns = bursts[BURSTS / 4];
	return NULL;
}

/*
 * The engine keeps traps of its own in the C library, where threads start and end: its handler may
 * be exchanged only while all threads do nothing but run their loops.
 */
static void conduct(const struct subject *subject, pthread_barrier_t *step)
{
	pthread_barrier_wait(step);
	if (subject->floor)
		baseline_trap_begin();
	pthread_barrier_wait(step);
	pthread_barrier_wait(step);
	if (subject->floor)
		baseline_trap_end();
	pthread_barrier_wait(step);
}

/* Calls a nanosecond that a thread makes, on average; the first one runs on processor @first. */
static double run_threads(const struct subject *subject, unsigned first)
{
	static struct worker workers[MAX_THREADS];
	_Atomic unsigned busy = subject->threads;
	pthread_barrier_t step;
	double rate = 0;

	pthread_barrier_init(&step, NULL, subject->threads + 1);
	for (unsigned i = 0; i < subject->threads; i++) {
		workers[i] = (struct worker){
			.subject = subject, .step = &step, .busy = &busy, .index = first + i};
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			abort();
	}
	conduct(subject, &step);
	for (unsigned i = 0; i < subject->threads; i++) {
		pthread_join(workers[i].thread, NULL);
		rate += 1 / workers[i].ns / subject->threads;
	}
	pthread_barrier_destroy(&step);
	return rate;
}

/* Nanoseconds a call. Gives back the rings of the threads that are gone. */
static double measure(void *data)
{
	const struct subject *subject = data;
	unsigned runs = subject->threads > 1 ? 1 : perf_cpus();
	double rate = 0;

	runs = runs > MAX_ALONE ? MAX_ALONE : runs;
	for (unsigned i = 0; i < runs; i++) {
		rate += run_threads(subject, i) / runs;
		if (subject->records)
			recording_drain();
	}
	return 1 / rate;
}

/* ---- the table ----------------------------------------------------------------------------- */

static const char *arm(void *data)
{
	struct subject *subject = data;
	int error = ep_probe_create((const void *)subject->function, &subject->options,
				    &subject->probe);

	return error ? ep_strerror(error) : NULL;
}

static void disarm(void *data)
{
	ep_probe_remove(((struct subject *)data)->probe);
}

enum action { NOTHING, COUNT, HANDLE, RECORD };

static const struct {
	const char *column;
	void (*function)(void);
	enum ep_plan plan;
	enum action action;
	double expected_ns;
} ways[] = {
	{"call", shape_push, EP_PLAN_AUTO, NOTHING, 2},
	{"floor", shape_int3, EP_PLAN_AUTO, NOTHING, 2000},
	{"jump, count", shape_push, EP_PLAN_JUMP, COUNT, 3},
	{"jump, general handler", shape_push, EP_PLAN_JUMP, HANDLE, 8},
	{"jump, record", shape_push, EP_PLAN_JUMP, RECORD, 25},
	{"emulate, count", shape_push, EP_PLAN_EMULATE, COUNT, 2000},
	{"emulate, handler", shape_push, EP_PLAN_EMULATE, HANDLE, 2000},
	{"boost, count", shape_sse, EP_PLAN_BOOST, COUNT, 2000},
};

/* 0.95 of linear. */
#define LINEAR (1 / 0.95)

static const struct perf_aim aims[] = {
	{"call", true, NAN, NAN},
	{"floor", true, NAN, NAN},
	{"jump, count", true, NAN, LINEAR},
	{"jump, general handler", true, NAN, LINEAR},
	{"jump, record", true, NAN, LINEAR},
	{"emulate, count", true, NAN, NAN},
	{"emulate, handler", true, NAN, NAN},
	{"boost, count", true, NAN, NAN},
	{.column = NULL},
};

static struct ep_options options_of(enum ep_plan plan, enum action action)
{
	struct ep_options ret = {.size = sizeof(ret), .plan = plan};

	if (action == RECORD)
		return recording_options(plan);
	if (action == HANDLE) {
		ret.handler = handler;
		ret.flags = EP_GENERAL_REGS_ONLY;
	}
	return ret;
}

static uint64_t loops_of(size_t way, const struct perf_options *options)
{
	if (ways[way].action == RECORD)
		return RECORD_BURST;
	return (uint64_t)((double)options->burst_ns / ways[way].expected_ns) + 1;
}

static void add_way(struct perf_table *table, size_t way, unsigned threads,
		    const struct perf_options *options, int against)
{
	struct subject *subject = calloc(1, sizeof(*subject));

	if (!subject)
		abort();
	subject->threads = threads;
	subject->function = ways[way].function;
	subject->floor = ways[way].function == shape_int3;
	subject->records = ways[way].action == RECORD;
	subject->loops = loops_of(way, options);
	subject->options = options_of(ways[way].plan, ways[way].action);
	snprintf(subject->row, sizeof(subject->row), "%u thread%s", threads,
		 threads > 1 ? "s" : "");
	perf_add(table,
		 (struct perf_case){.row = subject->row,
				    .column = ways[way].column,
				    .begin = ways[way].action ? arm : NULL,
				    .end = ways[way].action ? disarm : NULL,
				    .value = measure,
				    .data = subject,
				    /* a quiet sample may be one whose threads did not meet */
				    .all_pairs = true,
				    .against = against});
}

static void add_threads(struct perf_table *table, unsigned threads,
			const struct perf_options *options)
{
	for (size_t way = 0; way < sizeof(ways) / sizeof(*ways); way++)
		add_way(table, way, threads, options, threads > 1 ? (int)way : -1);
}

int main(int argc, char **argv)
{
	struct perf_table table = {
		.program = "threads",
		.question = "Does a hit cost the same when more threads hit the same probe?",
		.aims = aims};
	struct perf_options options;
	unsigned cpus = perf_cpus();
	int error;

	perf_parse(argc, argv, &options);
	if (!options.smoke)
		options.repetitions *= 4; /* they are short */
	cpus = cpus > MAX_THREADS ? MAX_THREADS : cpus;
	error = recording_init(RECORDING_NO_READER, cpus, RING_SIZE);
	if (error) {
		fprintf(stderr, "threads: %s\n", ep_strerror(error));
		return 1;
	}
	add_threads(&table, 1, &options);
	for (unsigned threads = 2; threads < cpus; threads *= 2)
		add_threads(&table, threads, &options);
	if (cpus > 1)
		add_threads(&table, cpus, &options);
	return perf_run(&table, &options);
}
