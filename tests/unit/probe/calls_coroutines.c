/* SPDX-License-Identifier: MIT */
/*
 * Claim: calls on many stacks, which wait for each other and end in any order or never, are told
 * apart: each return finds its own words, and its own caller.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/unit/probe/followed.h"

TestSuite(calls_coroutines, .timeout = 400);

enum { THREADS = 8, COROUTINES = 1000, STACK_SIZE = 16384, DEPTH = 3, LAST = 100 };

static _Atomic uint64_t differ;

struct coroutine {
	ucontext_t context, *caller;
	void *rsp, **caller_rsp; /* of those that are switched by hand */
	char *stack;
	long number, result;
	bool is_done;
};

/* ---- the switch ---------------------------------------------------------------------------- */

/* Save the callee's registers and RSP at RDI, go on at RSI. */
__asm__(".pushsection .text\n"
	".p2align 4\n"
	".type coroutines_switch, @function\n"
	"coroutines_switch:\n"
	"	pushq	%rbp\n"
	"	pushq	%rbx\n"
	"	pushq	%r12\n"
	"	pushq	%r13\n"
	"	pushq	%r14\n"
	"	pushq	%r15\n"
	"	movq	%rsp, (%rdi)\n"
	"	movq	%rsi, %rsp\n"
	"	popq	%r15\n"
	"	popq	%r14\n"
	"	popq	%r13\n"
	"	popq	%r12\n"
	"	popq	%rbx\n"
	"	popq	%rbp\n"
	"	ret\n"
	".size coroutines_switch, .-coroutines_switch\n"
	".popsection\n");
void coroutines_switch(void **from, void *to);

static __thread struct coroutine *current;
static bool by_hand;

static void suspend(void)
{
	struct coroutine *self = current;

	if (by_hand)
		coroutines_switch(&self->rsp, *self->caller_rsp);
	else
		swapcontext(&self->context, self->caller);
}

static void resume(struct coroutine *coroutine)
{
	struct coroutine *outer = current;
	ucontext_t here;
	void *rsp;

	current = coroutine;
	coroutine->caller = &here;
	coroutine->caller_rsp = &rsp;
	if (by_hand)
		coroutines_switch(&rsp, coroutine->rsp);
	else
		swapcontext(&here, &coroutine->context);
	current = outer;
}

/* ---- what they run ------------------------------------------------------------------------- */

FOLLOWED long waits(long depth, long number)
{
	long ret;

	if (depth == 0) {
		suspend();
		ret = number * 3;
	} else {
		ret = waits(depth - 1, number) + depth;
	}
	FOLLOWED_STAY();
	return ret;
}

/* Between the coroutines, and in them. */
FOLLOWED long adds(long number)
{
	FOLLOWED_STAY();
	return number + 5;
}

static void run(void)
{
	struct coroutine *self = current;

	self->result = waits(DEPTH, self->number) + adds(self->number);
	self->is_done = true;
	suspend();
	abort();
}

static long result_of(long number)
{
	return number * 3 + DEPTH * (DEPTH + 1) / 2 + number + 5;
}

static void start(struct coroutine *coroutine, char *stack, long number)
{
	memset(coroutine, 0, sizeof(*coroutine));
	coroutine->stack = stack;
	coroutine->number = number;
	if (by_hand) {
		uint64_t *top = (uint64_t *)(void *)(stack + STACK_SIZE);

		memset(top - 9, 0, 9 * sizeof(*top));
		top[-2] = (uint64_t)run;
		coroutine->rsp = top - 8;
	} else {
		getcontext(&coroutine->context);
		coroutine->context.uc_stack.ss_sp = stack;
		coroutine->context.uc_stack.ss_size = STACK_SIZE;
		makecontext(&coroutine->context, run, 0);
	}
	resume(coroutine);
}

static void finish(struct coroutine *coroutine)
{
	resume(coroutine);
	differ += !coroutine->is_done || coroutine->result != result_of(coroutine->number);
	coroutine->is_done = true;
}

/* ---- many at once -------------------------------------------------------------------------- */

struct crowd {
	struct coroutine all[COROUTINES];
	char *stacks;
	bool is_mapped;
};

/*
 * Below the stacks of threads: what lies above is not looked at in each hit, since all that is
 * running lies there.
 */
static void make_crowd(struct crowd *crowd, bool is_mapped)
{
	crowd->is_mapped = is_mapped;
	if (!is_mapped) {
		crowd->stacks = aligned_alloc(16, (size_t)COROUTINES * STACK_SIZE);
		return;
	}
	crowd->stacks = mmap(NULL, (size_t)COROUTINES * STACK_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
}

static void free_crowd(struct crowd *crowd)
{
	if (crowd->is_mapped)
		munmap(crowd->stacks, (size_t)COROUTINES * STACK_SIZE);
	else
		free(crowd->stacks);
}

static void shuffle(int *numbers, uint64_t seed)
{
	for (int i = 0; i < COROUTINES; i++)
		numbers[i] = i;
	for (int i = COROUTINES - 1; i > 0; i--) {
		int k, old = numbers[i];

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		k = (int)((seed >> 33) % (uint64_t)(i + 1));
		numbers[i] = numbers[k];
		numbers[k] = old;
	}
}

/* One in four is never resumed, and its stack is used for another one. */
static void run_crowd(struct crowd *crowd, uint64_t seed)
{
	int order[COROUTINES];

	shuffle(order, seed);
	for (int i = 0; i < COROUTINES; i++)
		start(&crowd->all[i], crowd->stacks + (size_t)i * STACK_SIZE, i);
	differ += adds(1) != 6;
	for (int i = 0; i < COROUTINES; i++)
		if (order[i] % 4)
			finish(&crowd->all[order[i]]);
	differ += adds(1) != 6;
	for (int i = 0; i < COROUTINES; i++)
		if (order[i] % 4 == 0) {
			start(&crowd->all[order[i]], crowd->stacks + (size_t)order[i] * STACK_SIZE,
			      i);
			finish(&crowd->all[order[i]]);
		}
	/* The last traces of those that were never resumed. */
	memset(crowd->stacks, 0, (size_t)COROUTINES * STACK_SIZE);
	for (int i = 0; i < LAST; i++)
		differ += adds(1) != 6;
}

static void *run_crowds(void *data)
{
	const bool *is_mapped = data;
	struct crowd *crowd = malloc(sizeof(*crowd));

	for (uint64_t seed = 0; seed < 2; seed++) {
		make_crowd(crowd, *is_mapped);
		run_crowd(crowd, seed + (uint64_t)pthread_self());
		free_crowd(crowd);
	}
	free(crowd);
	return NULL;
}

static void check_crowds(enum ep_plan plan, unsigned int threads, bool is_mapped)
{
	uint64_t crowds = 2 * threads;
	struct followed waiting, adding;
	char what[64];

	snprintf(what, sizeof(what), "%s, %u threads, %s, %s", followed_plan_name(plan), threads,
		 by_hand ? "by hand" : "by libc", is_mapped ? "mapped" : "allocated");
	followed_begin(&waiting, (const void *)waits, plan);
	followed_begin(&adding, (const void *)adds, plan);
	differ = 0;
	if (threads == 1)
		run_crowds(&is_mapped);
	else
		followed_in_threads(threads, run_crowds, &is_mapped);
	cr_expect_eq(differ, 0, "%s: %lu", what, differ);
	followed_end(&waiting, what,
		     (struct followed_counts){
			     .hits = crowds * (DEPTH + 1) * COROUTINES * 5 / 4,
			     .returns = crowds * (DEPTH + 1) * COROUTINES,
			     .abandoned = crowds * (DEPTH + 1) * COROUTINES / 4,
		     });
	followed_end(&adding, what,
		     (struct followed_counts){.hits = crowds * (COROUTINES + 2 + LAST),
					      .returns = crowds * (COROUTINES + 2 + LAST)});
}

static void check_all_crowds(void)
{
	FOLLOWED_EACH_WAY(plan)
	{
		check_crowds(plan, 1, false);
		check_crowds(plan, 1, true);
	}
	check_crowds(EP_PLAN_AUTO, THREADS, true);
	check_crowds(EP_PLAN_TRAP, THREADS, true);
}

Test(calls_coroutines, of_libc)
{
	check_all_crowds();
}

Test(calls_coroutines, switched_by_hand)
{
	by_hand = true;
	check_all_crowds();
}

/* ---- stacks that are gone ------------------------------------------------------------------ */

/* None is ever resumed: what is remembered of them goes with their stacks. */
static void check_lost(enum ep_plan plan, int times)
{
	struct coroutine coroutine;
	struct followed waiting, adding;

	followed_begin(&waiting, (const void *)waits, plan);
	followed_begin(&adding, (const void *)adds, plan);
	for (int i = 0; i < times; i++) {
		char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		start(&coroutine, stack, i);
		munmap(stack, STACK_SIZE);
	}
	differ = adds(1) != 6;
	cr_expect_eq(differ, 0);
	followed_end(&waiting, followed_plan_name(plan),
		     (struct followed_counts){.hits = (uint64_t)times * (DEPTH + 1),
					      .abandoned = (uint64_t)times * (DEPTH + 1)});
	followed_end(&adding, followed_plan_name(plan),
		     (struct followed_counts){.hits = 1, .returns = 1});
}

Test(calls_coroutines, whose_stacks_are_gone)
{
	for (int i = 0; i < 2; i++) {
		by_hand = i;
		check_lost(EP_PLAN_AUTO, 10000);
		check_lost(EP_PLAN_TRAP, 3000);
	}
}

/* ---- other threads ------------------------------------------------------------------------- */

static void *finish_elsewhere(void *data)
{
	finish(data);
	differ += adds(1) != 6;
	return NULL;
}

/* Who returns is not who called: it returns, and is not counted as a return. */
static void check_moved(enum ep_plan plan, int times)
{
	struct followed waiting, adding;

	followed_begin(&waiting, (const void *)waits, plan);
	followed_begin(&adding, (const void *)adds, plan);
	differ = 0;
	for (int i = 0; i < times; i++) {
		struct coroutine coroutine;
		char *stack = malloc(STACK_SIZE);

		start(&coroutine, stack, i);
		followed_in_threads(1, finish_elsewhere, &coroutine);
		memset(stack, 0, STACK_SIZE);
		__asm__ volatile("" : : "r"(stack) : "memory"); /* it matters */
		free(stack);
		differ += adds(1) != 6;
	}
	cr_expect_eq(differ, 0, "%s: %lu", followed_plan_name(plan), differ);
	followed_end(&waiting, followed_plan_name(plan),
		     (struct followed_counts){.hits = (uint64_t)times * (DEPTH + 1),
					      .abandoned = (uint64_t)times * (DEPTH + 1)});
	followed_end(&adding, followed_plan_name(plan),
		     (struct followed_counts){.hits = (uint64_t)times * 3,
					      .returns = (uint64_t)times * 3});
}

Test(calls_coroutines, that_end_in_another_thread)
{
	FOLLOWED_EACH_WAY(plan)
	check_moved(plan, 100);
}
