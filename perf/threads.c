/* SPDX-License-Identifier: MIT */
/*
 * All threads hit the same probe at once: does each still pay what one alone pays? The bare call
 * and the bare trap are measured in the same way, for what the machine and the kernel take.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "perf/baseline.h"
#include "perf/harness.h"
#include "perf/shapes.h"

#define MAX_THREADS 256

static void handler(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
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
	uint64_t loops; /* of each thread */
	bool floor;
};

/* ---- the threads --------------------------------------------------------------------------- */

struct worker {
	const struct subject *subject;
	pthread_barrier_t *step; /* ready, go, done, leave */
	pthread_t thread;
	unsigned index;
	double ns; /* out: a call */
};

static void *work(void *data)
{
	struct worker *worker = data;
	void (*volatile function)(void) = worker->subject->function;
	uint64_t start;

	perf_pin(worker->index);
	pthread_barrier_wait(worker->step);
	pthread_barrier_wait(worker->step);
	start = perf_now_ns();
	for (uint64_t i = 0; i < worker->subject->loops; i++)
		function();
	worker->ns = (double)(perf_now_ns() - start) / (double)worker->subject->loops;
	pthread_barrier_wait(worker->step);
	pthread_barrier_wait(worker->step);
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

/* Nanoseconds a call in the slowest thread. */
static double run_threads(const struct subject *subject)
{
	static struct worker workers[MAX_THREADS];
	pthread_barrier_t step;
	double slowest = 0;

	pthread_barrier_init(&step, NULL, subject->threads + 1);
	for (unsigned i = 0; i < subject->threads; i++) {
		workers[i] = (struct worker){.subject = subject, .step = &step, .index = i};
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			abort();
	}
	conduct(subject, &step);
	for (unsigned i = 0; i < subject->threads; i++) {
		pthread_join(workers[i].thread, NULL);
		slowest = workers[i].ns > slowest ? workers[i].ns : slowest;
	}
	pthread_barrier_destroy(&step);
	return slowest;
}

static double measure(void *data)
{
	return run_threads(data);
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

static const struct {
	const char *column;
	void (*function)(void);
	const char *(*begin)(void *);
	void (*end)(void *);
	enum ep_plan plan;
	ep_handler action;
	double expected_ns;
} ways[] = {
	{"call", shape_push, NULL, NULL, 0, NULL, 1},
	{"floor", shape_int3, NULL, NULL, 0, NULL, 1500},
	{"emulate, count", shape_push, arm, disarm, EP_PLAN_EMULATE, NULL, 1500},
	{"emulate, handler", shape_push, arm, disarm, EP_PLAN_EMULATE, handler, 1500},
	{"boost, count", shape_sse, arm, disarm, EP_PLAN_BOOST, NULL, 1500},
	{"jump, count", shape_push, arm, disarm, EP_PLAN_JUMP, NULL, 2},
	{"jump, handler", shape_push, arm, disarm, EP_PLAN_JUMP, handler, 3},
};

static void add_way(struct perf_table *table, size_t way, unsigned threads,
		    const struct perf_options *options, int against)
{
	struct subject *subject = calloc(1, sizeof(*subject));

	if (!subject)
		abort();
	subject->threads = threads;
	subject->function = ways[way].function;
	subject->floor = ways[way].function == shape_int3;
	subject->loops = (uint64_t)((double)options->sample_ns * 5 / ways[way].expected_ns);
	subject->options = (struct ep_options){.size = sizeof(subject->options),
					       .plan = ways[way].plan,
					       .handler = ways[way].action};
	snprintf(subject->row, sizeof(subject->row), "%u thread%s", threads,
		 threads > 1 ? "s" : "");
	perf_add(table, (struct perf_case){.row = subject->row,
					   .column = ways[way].column,
					   .begin = ways[way].begin,
					   .end = ways[way].end,
					   .value = measure,
					   .data = subject,
					   .against = against});
}

int main(int argc, char **argv)
{
	struct perf_table table = {
		.program = "threads",
		.question = "Does a hit cost the same when more threads hit the same probe?"};
	struct perf_options options;
	size_t count = sizeof(ways) / sizeof(*ways);
	unsigned cpus = perf_cpus();

	perf_parse(argc, argv, &options);
	cpus = cpus > MAX_THREADS ? MAX_THREADS : cpus;
	for (size_t way = 0; way < count; way++)
		add_way(&table, way, 1, &options, -1);
	for (unsigned threads = 2; threads <= cpus; threads *= 2)
		for (size_t way = 0; way < count; way++)
			add_way(&table, way, threads, &options, (int)way);
	return perf_run(&table, &options);
}
