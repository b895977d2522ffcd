/* SPDX-License-Identifier: MIT */
#include "probe/thread/counters.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/counting.h"
#include "tests/support/patience.h"
#include "tests/unit/probe/functions.h"

TestSuite(counters, .timeout = 400);

static struct ep_probe *count(sum_function function)
{
	struct ep_info info = {.size = sizeof(info)};
	struct ep_probe *probe;

	cr_assert_eq(ep_probe_create((const void *)function, NULL, &probe), 0);
	cr_assert_eq(ep_probe_info(probe, &info), 0);
	cr_assert_eq(info.plan, EP_PLAN_JUMP);
	return probe;
}

static uint64_t hits_of(struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(probe, &info), 0);
	cr_assert_eq(info.trapped, 0);
	return info.hits;
}

static void *call_many(void *data)
{
	for (uint64_t i = 0; i < (uint64_t)data; i++)
		if (starts_with_push(i, 1) != i + 1 || starts_with_nop(i, 2) != i + 2)
			abort();
	return NULL;
}

Test(counters, threads_count_exactly)
{
	enum { THREADS = 8, CALLS = 200000 };
	struct ep_probe *push = count(starts_with_push), *nop = count(starts_with_nop);
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, call_many, (void *)CALLS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(hits_of(push), (uint64_t)THREADS * CALLS);
	cr_assert_eq(hits_of(nop), (uint64_t)THREADS * CALLS);
}

Test(counters, what_ended_threads_counted_stays)
{
	struct ep_probe *probe = count(starts_with_push);

	for (int i = 0; i < 1000; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, call_many, (void *)3);
		pthread_join(thread, NULL);
	}
	cr_assert_eq(hits_of(probe), 3000);
}

static volatile uint64_t calls_in_handler;

static void call_from_handler(int sig)
{
	(void)sig;
	if (starts_with_push(1, 2) == 3)
		calls_in_handler++;
}

Test(counters, a_signal_between_loses_nothing)
{
	const long us = 100 * patience(1); /* else there is time for nothing but handlers */
	const struct itimerval often = {{0, us}, {0, us}}, never = {{0, 0}, {0, 0}};
	struct ep_probe *probe = count(starts_with_push);
	uint64_t calls = 0;

	signal(SIGALRM, call_from_handler);
	setitimer(ITIMER_REAL, &often, NULL);
	while (calls_in_handler < 2000)
		calls += starts_with_push(calls, 1) == calls + 1;
	setitimer(ITIMER_REAL, &never, NULL);
	cr_assert_eq(hits_of(probe), calls + calls_in_handler);
}

Test(counters, a_disabled_probe_does_not_count)
{
	struct ep_probe *probe = count(starts_with_push);

	call_many((void *)10);
	ep_probe_disable(probe);
	call_many((void *)100);
	cr_assert_eq(hits_of(probe), 10);
	ep_probe_enable(probe);
	cr_assert_eq(hits_of(probe), 10);
	call_many((void *)1);
	cr_assert_eq(hits_of(probe), 11);
}

Test(counters, a_new_probe_of_an_old_address_begins_at_zero)
{
	for (int i = 0; i < 3; i++) {
		struct ep_probe *probe = count(starts_with_push);

		call_many((void *)7);
		cr_assert_eq(hits_of(probe), 7);
		ep_probe_remove(probe);
		call_many((void *)7);
	}
}

Test(counters, several_probes_on_one_address_count_each)
{
	struct ep_probe *first = count(starts_with_push), *second;

	call_many((void *)5);
	second = count(starts_with_push);
	call_many((void *)6);
	cr_assert_eq(hits_of(first), 11);
	cr_assert_eq(hits_of(second), 6);
	ep_probe_remove(first);
	call_many((void *)1);
	cr_assert_eq(hits_of(second), 7);
}

static _Alignas(64) char memory[65536];
static uint32_t blocks_given;

EP_TRAP_PATH static void *give_memory(uint32_t first, size_t size, void *data)
{
	if (first || size > sizeof(memory) || blocks_given++)
		return NULL;
	return data;
}

Test(counters, can_lie_in_memory_of_the_users)
{
	struct ep_probe *probe;
	const uint64_t *counters = (const uint64_t *)(memory + EP_COUNTER_BLOCK_HEADER);
	pthread_t thread;

	ep_use_counter_memory(give_memory, memory);
	probe = count(starts_with_push);
	call_many((void *)9);
	cr_assert_eq(counters[ep_probe_counter(probe)], 9);
	/* No memory for the second thread: counted with a lock instead. */
	pthread_create(&thread, NULL, call_many, (void *)4);
	pthread_join(thread, NULL);
	cr_assert_eq(hits_of(probe), 13);
}

Test(counters, a_forked_child_counts_for_itself)
{
	struct ep_probe *probe = count(starts_with_push);
	int status;
	pid_t child;

	call_many((void *)2);
	child = fork();
	if (child == 0) {
		call_many((void *)3);
		_exit(hits_of(probe) != 5);
	}
	waitpid(child, &status, 0);
	cr_assert_eq(status, 0);
	cr_assert_eq(hits_of(probe), 2);
}

/* ---- while threads are in the middle of it --------------------------------------------------- */

static atomic_bool stop;
static atomic_uint_fast64_t handled;

static void *call_until_stopped(void *data)
{
	uint64_t *calls = data;

	while (!atomic_load(&stop)) {
		if (starts_with_push(*calls, 1) != *calls + 1)
			abort();
		++*(volatile uint64_t *)calls;
	}
	return NULL;
}

static void handle(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	atomic_fetch_add(&handled, 1);
}

enum { CALLERS = 3 };

static uint64_t call_counts[CALLERS];
static pthread_t callers[CALLERS];

static void start_callers(void)
{
	for (int i = 0; i < CALLERS; i++)
		pthread_create(&callers[i], NULL, call_until_stopped, &call_counts[i]);
}

static void stop_callers(void)
{
	atomic_store(&stop, true);
	for (int i = 0; i < CALLERS; i++)
		pthread_join(callers[i], NULL);
}

Test(counters, disabling_loses_no_hit_of_a_handler)
{
	struct ep_options options = {.size = sizeof(options), .handler = handle};
	struct ep_probe *probe;

	cr_assert_eq(ep_probe_create((const void *)starts_with_push, &options, &probe), 0);
	start_callers();
	for (int i = 0; i < 20000 || handled < 1000; i++) {
		ep_probe_disable(probe);
		ep_probe_enable(probe);
	}
	stop_callers();
	cr_expect_gt(handled, 0);
	cr_expect_eq(hits_of(probe), handled);
}

static uint64_t calls_so_far(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < CALLERS; i++)
		sum += __atomic_load_n(&call_counts[i], __ATOMIC_RELAXED);
	return sum;
}

/* A thread may be preempted in front of its addition: not more than one hit each is late. */
Test(counters, what_the_last_probe_of_an_address_counted_never_comes_back)
{
	start_callers();
	for (int i = 0; i < 2000; i++) {
		struct ep_info info = {.size = sizeof(info)};
		uint64_t before = calls_so_far();
		struct ep_probe *probe = count(starts_with_push);

		sched_yield();
		ep_probe_info(probe, &info);
		ep_probe_remove(probe);
		cr_assert_leq(info.hits, calls_so_far() - before + 3 * CALLERS, "round %d", i);
	}
	stop_callers();
}

/* In the memory of its parent, whose threads it cannot see. */
Test(counters, a_child_of_vfork_takes_no_thread_for_dead)
{
	struct ep_probe *probe = count(starts_with_push);
	uint64_t of_children = 0;

	start_callers();
	while (calls_so_far() < 1000)
		sched_yield();
	for (int i = 0; i < 20; i++) {
		pid_t child = vfork();

		if (child == 0) {
			for (int j = 0; j < 1000; j++)
				starts_with_push(1, 1);
			_exit(0);
		}
		cr_assert_gt(child, 0);
		waitpid(child, NULL, 0);
		of_children += 1000;
	}
	stop_callers();
	cr_expect_eq(hits_of(probe), calls_so_far() + of_children);
}

static _Atomic bool may_start;

static void *start_together(void *data)
{
	while (!atomic_load(&may_start))
		sched_yield();
	return call_many(data);
}

/* The memory that its parent's thread counted in is that of the child's first thread, and of no other one. */
static bool counts_exactly_in_child(struct ep_probe *probe)
{
	enum { THREADS = 4, CALLS = 100000 };
	struct ep_info before = {.size = sizeof(before)}, after = {.size = sizeof(after)};
	pthread_t threads[THREADS];

	ep_probe_info(probe, &before);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, start_together, (void *)CALLS);
	atomic_store(&may_start, true);
	call_many((void *)CALLS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ep_probe_info(probe, &after);
	return after.hits - before.hits == (THREADS + 1) * CALLS;
}

Test(counters, a_child_counts_as_exactly)
{
	struct ep_probe *probe = count(starts_with_push);
	int status;

	call_many((void *)10);
	for (int i = 0; i < 10; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(counts_exactly_in_child(probe) ? 0 : 1);
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert_eq(status, 0);
	}
	cr_assert_eq(hits_of(probe), 10);
}
