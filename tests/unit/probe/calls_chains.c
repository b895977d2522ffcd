/* SPDX-License-Identifier: MIT */
/*
 * Claim: functions that end by a jump to another one have one return between them, and each of their
 * calls has its end there.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/probe/followed.h"

TestSuite(calls_chains, .timeout = 400);

enum { THREADS = 8, CHAIN_MAX = 64 };

static _Atomic uint64_t differ;

/* Each adds one to RAX, and goes on in the next one; last returns. */
#define LINK(name, next)                                                                           \
	__asm__(".pushsection .text\n"                                                             \
		".p2align 4\n"                                                                     \
		".type " name ", @function\n" name ":\n"                                           \
		".cfi_startproc\n"                                                                 \
		"	leaq	1(%rdi), %rdi\n"                                                            \
		"	jmp	" next "\n"                                                        \
		".cfi_endproc\n"                                                                   \
		".size " name ", .-" name "\n"                                                     \
		".popsection\n")
LINK("chain_second", "chain_last");
LINK("chain_first", "chain_second");
__asm__(".pushsection .text\n"
	".p2align 4\n"
	".type chain_last, @function\n"
	"chain_last:\n"
	".cfi_startproc\n"
	"	leaq	1(%rdi), %rax\n"
	"	leaq	0(%rax), %rax\n"
	"	ret\n"
	".cfi_endproc\n"
	".size chain_last, .-chain_last\n"
	/* RSI times, each by way of the other. */
	".p2align 4\n"
	".type chain_even, @function\n"
	"chain_even:\n"
	".cfi_startproc\n"
	"	leaq	1(%rdi), %rdi\n"
	"	subq	$1, %rsi\n"
	"	jnz	chain_odd\n"
	"	movq	%rdi, %rax\n"
	"	ret\n"
	".cfi_endproc\n"
	".size chain_even, .-chain_even\n"
	".p2align 4\n"
	".type chain_odd, @function\n"
	"chain_odd:\n"
	".cfi_startproc\n"
	"	leaq	1(%rdi), %rdi\n"
	"	subq	$1, %rsi\n"
	"	jnz	chain_even\n"
	"	movq	%rdi, %rax\n"
	"	ret\n"
	".cfi_endproc\n"
	".size chain_odd, .-chain_odd\n"
	".popsection\n");
long chain_first(long number);
long chain_second(long number);
long chain_last(long number);
long chain_even(long number, long times);
long chain_odd(long number, long times);

/* ---- three --------------------------------------------------------------------------------- */

enum { TIMES = 100 };

static void *run_three(void *data)
{
	(void)data;
	for (long i = 0; i < TIMES; i++) {
		differ += chain_first(i) != i + 3;
		differ += chain_second(i) != i + 2;
		differ += chain_last(i) != i + 1;
	}
	return NULL;
}

static void check_three(enum ep_plan plan, uint64_t threads)
{
	struct followed followed[3];

	followed_begin(&followed[0], (const void *)chain_first, plan);
	followed_begin(&followed[1], (const void *)chain_second, plan);
	followed_begin(&followed[2], (const void *)chain_last, plan);
	differ = 0;
	followed_in_threads((unsigned int)threads, run_three, NULL);
	cr_expect_eq(differ, 0, "%s: %lu", followed_plan_name(plan), differ);
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t calls = (i + 1) * TIMES * threads;

		followed_end(&followed[i], followed_plan_name(plan),
			     (struct followed_counts){.hits = calls, .returns = calls});
	}
}

Test(calls_chains, have_an_end_for_each)
{
	FOLLOWED_EACH_WAY(plan)
	{
		check_three(plan, 1);
		check_three(plan, THREADS);
	}
}

/* ---- long ones ----------------------------------------------------------------------------- */

struct run {
	long links;
	int times;
};

static void *run_links(void *data)
{
	const struct run *run = data;

	for (int i = 0; i < run->times; i++)
		differ += chain_even(i, run->links) != i + run->links;
	return NULL;
}

/* What is beyond CHAIN_MAX is missed. */
static void check_links(enum ep_plan plan, uint64_t threads, struct run run)
{
	uint64_t links = (uint64_t)run.links, runs = threads * (uint64_t)run.times,
		 kept = links < CHAIN_MAX ? links : CHAIN_MAX;
	struct followed even, odd;
	char what[64];

	snprintf(what, sizeof(what), "%s, %ld", followed_plan_name(plan), run.links);
	followed_begin(&even, (const void *)chain_even, plan);
	followed_begin(&odd, (const void *)chain_odd, plan);
	differ = 0;
	followed_in_threads((unsigned int)threads, run_links, &run);
	cr_expect_eq(differ, 0, "%s", what);
	followed_end(&even, what,
		     (struct followed_counts){
			     .hits = runs * ((kept + 1) / 2),
			     .returns = runs * ((kept + 1) / 2),
			     .missed = runs * ((links + 1) / 2 - (kept + 1) / 2),
		     });
	followed_end(&odd, what,
		     (struct followed_counts){.hits = runs * (kept / 2),
					      .returns = runs * (kept / 2),
					      .missed = runs * (links / 2 - kept / 2)});
}

Test(calls_chains, may_be_long)
{
	FOLLOWED_EACH_WAY(plan)
	{
		const long million = plan == EP_PLAN_AUTO || plan == EP_PLAN_JUMP ? 1000000 : 10000;

		check_links(plan, 1, (struct run){1, 100});
		check_links(plan, 1, (struct run){2, 100});
		check_links(plan, 1, (struct run){CHAIN_MAX, 100});
		check_links(plan, THREADS, (struct run){CHAIN_MAX, 100});
		check_links(plan, 1, (struct run){70, 100});
		check_links(plan, THREADS, (struct run){70, 100});
		check_links(plan, 1, (struct run){million, 2});
		check_links(plan, THREADS, (struct run){million / 10, 2});
	}
}

/* ---- several probes on a link --------------------------------------------------------------- */

static _Atomic uint64_t plain_hits;

static void count_plain(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	plain_hits++;
}

static void check_several(enum ep_plan plan, uint64_t threads)
{
	struct ep_options options = {.size = sizeof(options),
				     .handler = count_plain,
				     .plan = followed_plan((const void *)chain_second, plan)};
	struct followed followed[6];
	struct ep_probe *plain;

	plain_hits = 0;
	for (int i = 0; i < 6; i++) {
		if (i == 3)
			cr_assert_eq(ep_probe_create((const void *)chain_second, &options, &plain),
				     0);
		followed_begin(&followed[i],
			       i % 2 ? (const void *)chain_second : (const void *)chain_first,
			       plan);
	}
	differ = 0;
	followed_in_threads((unsigned int)threads, run_three, NULL);
	cr_expect_eq(differ, 0, "%s: %lu", followed_plan_name(plan), differ);
	cr_expect_eq(plain_hits, 2 * TIMES * threads);
	for (uint64_t i = 0; i < 6; i++) {
		uint64_t calls = (i % 2 + 1) * TIMES * threads;

		followed_end(&followed[i], followed_plan_name(plan),
			     (struct followed_counts){.hits = calls, .returns = calls});
	}
	cr_expect_eq(ep_probe_remove(plain), 0);
}

Test(calls_chains, of_functions_with_several_probes)
{
	FOLLOWED_EACH_WAY(plan)
	{
		check_several(plan, 1);
		check_several(plan, THREADS);
	}
}

/* ---- removal ------------------------------------------------------------------------------- */

static atomic_bool is_in_end, may_go_on, is_removed;

/* It is called at the return to the stub of another function's. */
static void block_in_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
			 void *cookie)
{
	(void)probe, (void)regs, (void)call, (void)cookie;
	is_in_end = true;
	while (!may_go_on)
		usleep(100);
}

static void *call_chain(void *data)
{
	(void)data;
	differ += chain_first(0) != 3;
	return NULL;
}

static void *remove_probe(void *data)
{
	ep_probe_remove(data);
	is_removed = true;
	return NULL;
}

Test(calls_chains, a_probe_is_not_removed_while_its_end_is_handled)
{
	struct ep_options blocks = {.size = sizeof(blocks), .ended = block_in_end};
	struct followed first;
	struct ep_probe *last;
	pthread_t caller, remover;

	followed_begin(&first, (const void *)chain_first, EP_PLAN_AUTO);
	cr_assert_eq(ep_probe_create((const void *)chain_last, &blocks, &last), 0);
	cr_assert_eq(pthread_create(&caller, NULL, call_chain, NULL), 0);
	while (!is_in_end)
		usleep(100);
	cr_assert_eq(pthread_create(&remover, NULL, remove_probe, last), 0);
	usleep(200000);
	cr_expect_not(is_removed, "its handler is running");
	may_go_on = true;
	pthread_join(remover, NULL);
	pthread_join(caller, NULL);
	cr_expect(is_removed);
	cr_expect_eq(differ, 0);
	followed_end(&first, "first", (struct followed_counts){.hits = 1, .returns = 1});
}
