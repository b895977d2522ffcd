/* SPDX-License-Identifier: MIT */
/*
 * Claim: a call that is left by a jump, or with its thread, ends once, and nothing of it is left: what
 * runs on that stack next returns where it should, and is counted as itself.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/probe/followed.h"

TestSuite(calls_ends, .timeout = 400);

enum { THREADS = 8 };

static _Atomic uint64_t differ;
static volatile bool never; /* so that the compiler believes in an end */

/* A plain call, at any depth. */
FOLLOWED long sum(long a, long b)
{
	FOLLOWED_STAY();
	return a * 3 + b;
}

FOLLOWED long sum_deeper(long depth, long a, long b)
{
	long ret = depth ? sum_deeper(depth - 1, a, b) : sum(a, b);

	FOLLOWED_STAY();
	return ret;
}

/* Nothing of what was left remains on the stack below. */
FOLLOWED void wipe_stack(void)
{
	volatile char bytes[1 << 20]; /* of 3,000 frames, whatever compilers make of them */

	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = 0;
}

/* ---- longjmp() ----------------------------------------------------------------------------- */

static __thread jmp_buf landing;

FOLLOWED long jump_out(long depth)
{
	long ret;

	if (depth == 0)
		longjmp(landing, 1);
	if (never)
		return 0;
	ret = jump_out(depth - 1);
	FOLLOWED_STAY();
	return ret + 1;
}

static void leave_by_jump(long depth)
{
	if (setjmp(landing) == 0) {
		jump_out(depth);
		differ++;
	}
}

static void *jump_and_call(void *data)
{
	long times = *(const long *)data;

	for (long i = 0; i < times; i++) {
		leave_by_jump(i % 7);
		differ += sum(i, 1) != 3 * i + 1;
		leave_by_jump(i % 5);
		differ += sum_deeper(i % 9, i, 2) != 3 * i + 2;
	}
	wipe_stack();
	differ += sum(1, 1) != 4;
	return NULL;
}

/* Calls of jump_out() in there. */
static uint64_t left_in(long times)
{
	uint64_t ret = 0;

	for (long i = 0; i < times; i++)
		ret += (uint64_t)(i % 7 + 1 + i % 5 + 1);
	return ret;
}

static uint64_t deeper_in(long times)
{
	uint64_t ret = 0;

	for (long i = 0; i < times; i++)
		ret += (uint64_t)(i % 9 + 1);
	return ret;
}

static void check_jumps(enum ep_plan plan, long times, uint64_t threads)
{
	uint64_t left = left_in(times) * threads, sums = (2 * (uint64_t)times + 1) * threads,
		 deeper = deeper_in(times) * threads;
	struct followed jumps, plain, nests;

	followed_begin(&jumps, (const void *)jump_out, plan);
	followed_begin(&plain, (const void *)sum, plan);
	followed_begin(&nests, (const void *)sum_deeper, plan);
	differ = 0;
	if (threads == 1)
		jump_and_call(&times);
	else
		followed_in_threads((unsigned int)threads, jump_and_call, &times);
	cr_expect_eq(differ, 0, "%s: %lu", followed_plan_name(plan), differ);
	followed_end(&jumps, "left", (struct followed_counts){.hits = left, .abandoned = left});
	followed_end(&plain, "sum", (struct followed_counts){.hits = sums, .returns = sums});
	followed_end(&nests, "deeper", (struct followed_counts){.hits = deeper, .returns = deeper});
}

Test(calls_ends, left_by_longjmp)
{
	FOLLOWED_EACH_WAY(plan)
	{
		check_jumps(plan, 200, 1);
		check_jumps(plan, 200, THREADS);
	}
}

/* Records of what was left do not pile up, however deep it was. */
static void check_many(enum ep_plan plan, long depth, uint64_t times)
{
	uint64_t calls = times * ((uint64_t)depth + 1);
	struct followed jumps, plain;
	char what[64];

	snprintf(what, sizeof(what), "%s, depth %ld", followed_plan_name(plan), depth);
	followed_begin(&jumps, (const void *)jump_out, plan);
	followed_begin(&plain, (const void *)sum, plan);
	for (uint64_t i = 0; i < times; i++)
		leave_by_jump(depth);
	wipe_stack();
	/* Each looks at no more than it can afford. */
	for (int i = 0; i < 1000; i++)
		sum(1, 2);
	followed_end(&jumps, what, (struct followed_counts){.hits = calls, .abandoned = calls});
	followed_end(&plain, what, (struct followed_counts){.hits = 1000, .returns = 1000});
}

Test(calls_ends, a_hundred_thousand_left_by_longjmp)
{
	check_many(EP_PLAN_AUTO, 0, 100000);
	check_many(EP_PLAN_AUTO, 3, 100000);
	check_many(EP_PLAN_AUTO, 50, 10000);
	check_many(EP_PLAN_AUTO, 100, 10000);
	check_many(EP_PLAN_AUTO, 3000, 100);
	check_many(EP_PLAN_EMULATE, 3, 10000);
	check_many(EP_PLAN_BOOST, 100, 1000);
}

/* ---- out of a signal handler --------------------------------------------------------------- */

static __thread sigjmp_buf signal_landing;

static void on_signal(int sig)
{
	(void)sig;
	differ += sum_deeper(2, 5, 1) != 16;
	siglongjmp(signal_landing, 1);
}

FOLLOWED long raise_in(long depth)
{
	long ret;

	if (depth == 0)
		pthread_kill(pthread_self(), SIGUSR1);
	if (never)
		return 0;
	ret = raise_in(depth - 1);
	FOLLOWED_STAY();
	return ret + 1;
}

static void leave_handler(long depth)
{
	if (sigsetjmp(signal_landing, 1) == 0) {
		raise_in(depth);
		differ++;
	}
}

static void leave_handlers_often(void)
{
	for (long i = 0; i < 100; i++) {
		leave_handler(i % 6);
		differ += sum(i, 1) != 3 * i + 1;
	}
	wipe_stack();
	for (int i = 0; i < 10; i++)
		differ += sum(1, 1) != 4;
}

static void *leave_handlers(void *data)
{
	(void)data;
	leave_handlers_often();
	return NULL;
}

static void *leave_handlers_on_another_stack(void *data)
{
	uint8_t *stack = malloc(65536);
	stack_t on = {.ss_sp = stack, .ss_size = 65536}, off = {.ss_flags = SS_DISABLE};

	sigaltstack(&on, NULL);
	leave_handlers_often();
	sigaltstack(&off, NULL);
	free(stack);
	return data;
}

static void check_handlers(enum ep_plan plan, uint64_t threads, bool alternate)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = alternate ? SA_ONSTACK : 0};
	struct followed raises, plain, nests;
	uint64_t left = 0;

	for (uint64_t i = 0; i < 100; i++)
		left += (i % 6 + 1) * threads;
	sigaction(SIGUSR1, &action, NULL);
	followed_begin(&raises, (const void *)raise_in, plan);
	followed_begin(&plain, (const void *)sum, plan);
	followed_begin(&nests, (const void *)sum_deeper, plan);
	differ = 0;
	followed_in_threads((unsigned int)threads,
			    alternate ? leave_handlers_on_another_stack : leave_handlers, NULL);
	cr_expect_eq(differ, 0, "%s: %lu", followed_plan_name(plan), differ);
	followed_end(&raises, alternate ? "on another stack" : "on the same stack",
		     (struct followed_counts){.hits = left, .abandoned = left});
	followed_end(&plain, followed_plan_name(plan),
		     (struct followed_counts){.hits = 210 * threads, .returns = 210 * threads});
	followed_end(&nests, followed_plan_name(plan),
		     (struct followed_counts){.hits = 300 * threads, .returns = 300 * threads});
}

Test(calls_ends, left_by_siglongjmp)
{
	FOLLOWED_EACH_WAY(plan)
	{
		check_handlers(plan, 1, false);
		check_handlers(plan, THREADS, false);
		check_handlers(plan, 1, true);
		check_handlers(plan, THREADS, true);
	}
}

/* ---- the end of a thread ------------------------------------------------------------------- */

static void wait_or_exit(bool is_cancelled)
{
	if (!is_cancelled)
		pthread_exit(NULL);
	while (!never)
		pause();
}

FOLLOWED long end_plain(long depth, bool is_cancelled)
{
	long ret = 0;

	if (depth)
		ret = end_plain(depth - 1, is_cancelled);
	else
		wait_or_exit(is_cancelled);
	FOLLOWED_STAY();
	return ret + 1;
}

static _Atomic uint64_t cleaned;

static void clean(void *data)
{
	(void)data;
	differ += sum(4, 1) != 13;
	cleaned++;
}

/* Where a C program has something to clean up, libc jumps there. */
FOLLOWED long end_cleaning(long depth, bool is_cancelled)
{
	volatile long ret = 0;

	pthread_cleanup_push(clean, NULL);
	if (depth)
		ret = end_cleaning(depth - 1, is_cancelled);
	else
		wait_or_exit(is_cancelled);
	pthread_cleanup_pop(1);
	return ret + 1;
}

struct thread_end {
	long (*function)(long depth, bool is_cancelled);
	long depth;
	bool is_cancelled;
};

static void *end_deep(void *data)
{
	const struct thread_end *end = data;

	end->function(end->depth, end->is_cancelled);
	differ++;
	return NULL;
}

static void cancel_all(const struct followed *ends, struct thread_end end)
{
	uint64_t wanted = followed_entered(ends) + THREADS * ((uint64_t)end.depth + 1);
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, end_deep, &end), 0);
	while (followed_entered(ends) < wanted)
		usleep(1000);
	for (int i = 0; i < THREADS; i++)
		pthread_cancel(threads[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void run_thread_ends(struct followed *ends, struct thread_end end, enum ep_plan plan)
{
	followed_begin(ends, (const void *)end.function, plan);
	differ = cleaned = 0;
	followed_in_threads(THREADS, end_deep, &end);
	end.is_cancelled = true;
	cancel_all(ends, end);
	cr_expect_eq(differ, 0, "%s: %lu", followed_plan_name(plan), differ);
}

static void check_plain_ends(enum ep_plan plan, long depth)
{
	uint64_t calls = 2 * THREADS * ((uint64_t)depth + 1);
	struct followed ends;

	run_thread_ends(&ends, (struct thread_end){end_plain, depth, false}, plan);
	followed_end(&ends, followed_plan_name(plan),
		     (struct followed_counts){.hits = calls, .unwound = calls});
}

/* From the outermost on nothing is left to clean up. */
static void check_cleaning_ends(enum ep_plan plan, long depth)
{
	uint64_t calls = 2 * THREADS * ((uint64_t)depth + 1);
	struct followed ends, plain;

	followed_begin(&plain, (const void *)sum, plan);
	run_thread_ends(&ends, (struct thread_end){end_cleaning, depth, false}, plan);
	cr_expect_eq(cleaned, calls, "%s: %lu of %lu", followed_plan_name(plan), cleaned, calls);
	followed_end(&ends, followed_plan_name(plan),
		     (struct followed_counts){.hits = calls,
					      .unwound = 2 * THREADS,
					      .abandoned = calls - 2 * THREADS});
	followed_end(&plain, followed_plan_name(plan),
		     (struct followed_counts){.hits = calls, .returns = calls});
}

Test(calls_ends, left_by_the_end_of_their_thread)
{
	FOLLOWED_EACH_WAY(plan)
	{
		check_plain_ends(plan, 0);
		check_plain_ends(plan, 30);
		check_cleaning_ends(plan, 0);
		check_cleaning_ends(plan, 30);
	}
}
