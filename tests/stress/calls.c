/* SPDX-License-Identifier: MIT */
/*
 * Probes on calls come and go at random while threads are in the very calls, return from them, and leave them
 * by longjmp(). What must hold: every result is exact; what an entry has kept, its end finds; no handler runs
 * once its probe is removed (G5); nothing is missed, however often stubs are needed again; and the
 * text is what it was in the end.
 *
 * EMUPROBE_STRESS_CYCLES: operations, 10,000 unless told otherwise.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "include/emuprobe.h"

enum { THREADS = 4, PROBES = 16, FUNCTIONS = 4, DEPTH = 6, TEXT = 16 };

TestSuite(stress_calls, .timeout = 3600);

/* clang does not know the second one, and does not do what it forbids. */
#ifdef __clang__
#define FOLLOWED __attribute__((noinline))
#else
#define FOLLOWED __attribute__((noinline, noclone))
#endif
#define STAY() __asm__ volatile("" : : : "memory")

static uint64_t cycles(void)
{
	const char *text = getenv("EMUPROBE_STRESS_CYCLES");

	return text ? strtoull(text, NULL, 0) : 10000;
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* ---- what is called ------------------------------------------------------------------------- */

/* Not static: whoever calls them relies on nothing but what the calling convention says. */
long leaf(long number);
long nest(long depth);
long goes_on(long number);
long leaves(jmp_buf *to, long depth);

FOLLOWED long leaf(long number)
{
	STAY();
	return number + 1;
}

FOLLOWED long nest(long depth)
{
	long ret = depth > 0 ? nest(depth - 1) : leaf(0);

	STAY();
	return ret + 1;
}

/* A jump, where the compiler makes one of it: then the two end together. */
FOLLOWED long goes_on(long number)
{
	STAY();
	return leaf(number + 1);
}

FOLLOWED long leaves(jmp_buf *to, long depth)
{
	if (depth == 0 && to)
		longjmp(*to, 1);
	if (depth > 0)
		depth = leaves(to, depth - 1);
	STAY();
	return depth;
}

static const void *const functions[FUNCTIONS] = {(const void *)leaf, (const void *)nest,
						 (const void *)goes_on, (const void *)leaves};

static bool lands(void)
{
	jmp_buf here;

	if (setjmp(here) == 0)
		return leaves(&here, DEPTH) && false;
	return true;
}

static atomic_bool stop;
static _Atomic uint64_t wrong, rounds;

static void *run(void *data)
{
	(void)data;
	while (!stop) {
		wrong += nest(DEPTH) != DEPTH + 2;
		wrong += goes_on(1) != 3;
		wrong += leaf(7) != 8;
		wrong += !lands();
		rounds++;
	}
	return NULL;
}

/* ---- the probes ----------------------------------------------------------------------------- */

enum { STAMP = 0x5eed };

struct follower {
	struct ep_probe *probe;
	atomic_bool is_there;
};

static _Atomic uint64_t late, mixed_up, ended;

static void on_entry(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call,
		     void *cookie)
{
	const struct follower *follower = cookie;

	(void)probe;
	late += !follower->is_there;
	call->words[0] = regs->rsp;
	call->words[1] = (uint64_t)cookie * STAMP + regs->rsp;
}

static void on_end(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call, void *cookie)
{
	const struct follower *follower = cookie;

	(void)probe;
	ended++;
	late += !follower->is_there;
	mixed_up += call->words[1] != (uint64_t)cookie * STAMP + call->words[0] ||
		    (call->end == EP_END_RETURN) != (regs != NULL) ||
		    (regs && regs->rsp != call->words[0] + 8);
}

static void begin(struct follower *follower, uint32_t *seed)
{
	static const enum ep_plan plans[] = {EP_PLAN_AUTO, EP_PLAN_TRAP, EP_PLAN_JUMP};
	const struct ep_options options = {
		.size = sizeof(options),
		.plan = plans[next_random(seed) % 3],
		.flags = EP_CALLS,
		.cookie = follower,
		.entered = next_random(seed) % 4 ? on_entry : NULL,
	};
	struct ep_options with_end = options;
	int error;

	with_end.ended = options.entered ? on_end : NULL;
	follower->is_there = true;
	error = ep_probe_create(functions[next_random(seed) % FUNCTIONS], &with_end,
				&follower->probe);
	cr_assert_eq(error, 0, "%s", ep_strerror(error));
}

static uint64_t missed;

static void end(struct follower *follower)
{
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(follower->probe, &info), 0);
	missed += info.missed;
	cr_assert_leq(info.returns + info.unwound + info.abandoned, info.hits);
	cr_assert_eq(ep_probe_remove(follower->probe), 0);
	follower->is_there = false;
	follower->probe = NULL;
}

static void one_operation(struct follower *followers, uint32_t *seed)
{
	struct follower *follower = &followers[next_random(seed) % PROBES];

	if (!follower->probe)
		begin(follower, seed);
	else
		end(follower);
}

/* ---- the test ------------------------------------------------------------------------------- */

static void copy_text(uint8_t (*ret)[TEXT])
{
	for (int i = 0; i < FUNCTIONS; i++)
		memcpy(ret[i], functions[i], TEXT);
}

Test(stress_calls, probes_come_and_go_in_the_middle_of_calls)
{
	static struct follower followers[PROBES];
	uint8_t before[FUNCTIONS][TEXT], after[FUNCTIONS][TEXT];
	pthread_t threads[THREADS];
	uint32_t seed = 88172645;

	copy_text(before);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, run, NULL);
	for (uint64_t i = 0; i < cycles() && !wrong && !late && !mixed_up; i++)
		one_operation(followers, &seed);
	for (int i = 0; i < PROBES; i++)
		if (followers[i].probe)
			end(&followers[i]);
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(wrong, 0, "%lu", wrong);
	cr_expect_eq(late, 0, "%lu", late);
	cr_expect_eq(mixed_up, 0, "%lu", mixed_up);
	cr_expect_eq(missed, 0, "%lu", missed);
	cr_expect_gt(ended, 0);
	cr_log_info("%lu operations, %lu rounds, %lu ends", cycles(), rounds, ended);
	copy_text(after);
	cr_expect_arr_eq(before, after, sizeof(before));
}
