/* SPDX-License-Identifier: MIT */
/*
 * Arm, promote, demote and remove at random, on every byte where an instruction begins, while
 * threads run through the very bytes and jump into the middle of them. What must hold: every
 * result is exact, every hit of a probe that stays is counted exactly once, and the text is what
 * it was in the end.
 *
 * EMUPROBE_STRESS_CYCLES: operations, 10,000 unless told otherwise.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "include/emuprobe.h"
#include "tests/stress/patterns.h"

enum { THREADS = 8, PROBES = 64, TEXT = 32 };

TestSuite(stress, .timeout = 3600);

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

/* ---- the threads --------------------------------------------------------------------------- */

struct runner {
	pthread_t thread;
	uint32_t seed;
	uint64_t calls[PATTERN_COUNT];
	uint64_t loops_to_start[PATTERN_COUNT]; /* arrivals at the first byte by the loop */
	uint64_t wrong;
};

static atomic_bool stop;

static void run_once(struct runner *runner)
{
	unsigned int i = next_random(&runner->seed) % PATTERN_COUNT;
	unsigned int back = next_random(&runner->seed) % patterns[i].count;
	uint64_t loops = next_random(&runner->seed) % 8;

	runner->wrong += !pattern_is_right(&patterns[i], back, loops);
	runner->calls[i]++;
	if (back == 0)
		runner->loops_to_start[i] += loops;
}

static void *run(void *data)
{
	while (!atomic_load(&stop))
		run_once(data);
	return NULL;
}

/* ---- the operations ------------------------------------------------------------------------ */

static void count_and_change_nothing(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
}

/* Changes every register that a handler may use by itself. */
static void use_vectors(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	__asm__ volatile("pxor %%xmm0, %%xmm0\n\tpcmpeqd %%xmm15, %%xmm15" ::: "xmm0", "xmm15");
}

static int create_random(uint32_t *seed, struct ep_probe **ret)
{
	const struct pattern *pattern = &patterns[next_random(seed) % PATTERN_COUNT];
	unsigned int i = next_random(seed) % pattern->count;
	struct ep_options options = {
		.size = sizeof(options),
		.handler = (ep_handler[]){NULL, count_and_change_nothing,
					  use_vectors}[next_random(seed) % 3],
		.plan = (enum ep_plan)(next_random(seed) % (EP_PLAN_JUMP + 1)),
	};

	return ep_probe_create((const char *)pattern->function + pattern->offset[i], &options, ret);
}

static void one_operation(struct ep_probe **probes, uint32_t *seed)
{
	struct ep_probe **probe = &probes[next_random(seed) % PROBES];

	if (!*probe) {
		int error = create_random(seed, probe);

		cr_assert(error == 0 || error == -EP_NOT_EMULATED || error == -EP_NOT_BOOSTED, "%s",
			  ep_strerror(error));
	} else if (next_random(seed) % 4 == 0) {
		ep_probe_disable(*probe);
		ep_probe_enable(*probe);
	} else {
		cr_assert_eq(ep_probe_remove(*probe), 0);
		*probe = NULL;
	}
}

static uint64_t hits_of(struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(probe, &info), 0);
	cr_assert_eq(info.missed, 0);
	return info.hits;
}

/* ---- the tests ----------------------------------------------------------------------------- */

static void copy_text(uint8_t (*ret)[TEXT])
{
	for (int i = 0; i < PATTERN_COUNT; i++)
		memcpy(ret[i], (const void *)patterns[i].function, TEXT);
}

Test(stress, every_result_and_every_count_is_exact)
{
	static struct runner runners[THREADS];
	static struct ep_probe *probes[PROBES];
	struct ep_probe *staying[PATTERN_COUNT];
	uint8_t before[PATTERN_COUNT][TEXT], after[PATTERN_COUNT][TEXT];
	uint32_t seed = 2463534242u;

	copy_text(before);
	for (int i = 0; i < PATTERN_COUNT; i++)
		cr_assert_eq(ep_probe_create((const void *)patterns[i].function, NULL, &staying[i]),
			     0);
	for (int i = 0; i < THREADS; i++) {
		runners[i].seed = 1000 + (uint32_t)i;
		pthread_create(&runners[i].thread, NULL, run, &runners[i]);
	}
	for (uint64_t i = 0; i < cycles(); i++)
		one_operation(probes, &seed);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(runners[i].thread, NULL);
		cr_assert_eq(runners[i].wrong, 0);
	}
	for (int i = 0; i < PATTERN_COUNT; i++) {
		uint64_t expected = 0;

		for (int t = 0; t < THREADS; t++)
			expected += runners[t].calls[i] + runners[t].loops_to_start[i];
		cr_assert_gt(expected, 0);
		cr_assert_eq(hits_of(staying[i]), expected, "pattern %s: %lu hits of %lu",
			     patterns[i].name, hits_of(staying[i]), expected);
	}
	ep_probe_remove_batch(probes, PROBES);
	ep_probe_remove_batch(staying, PATTERN_COUNT);
	copy_text(after);
	cr_assert_arr_eq(before, after, sizeof(before));
}

Test(stress, each_pattern_is_promoted_and_right_from_every_boundary)
{
	for (int i = 0; i < PATTERN_COUNT; i++) {
		struct ep_info info = {.size = sizeof(info)};
		struct ep_probe *probe;
		uint64_t arrivals = 0;

		cr_assert_eq(ep_probe_create((const void *)patterns[i].function, NULL, &probe), 0);
		cr_assert_eq(ep_probe_info(probe, &info), 0);
		cr_assert_eq(info.plan, EP_PLAN_JUMP, "%s: %s", patterns[i].name,
			     ep_strerror(info.reason));
		for (unsigned int back = 0; back < patterns[i].count; back++) {
			cr_assert(pattern_is_right(&patterns[i], back, 100), "%s from %u",
				  patterns[i].name, back);
			arrivals += 1 + (back == 0 ? 100 : 0);
		}
		cr_assert_eq(hits_of(probe), arrivals, "%s", patterns[i].name);
		ep_probe_remove(probe);
	}
}

Test(stress, a_probe_on_each_boundary_of_a_promoted_region)
{
	for (int i = 0; i < PATTERN_COUNT; i++) {
		struct ep_probe *probes[5];
		struct ep_info info = {.size = sizeof(info)};

		for (unsigned int k = 0; k < patterns[i].count; k++)
			cr_assert_eq(ep_probe_create((const char *)patterns[i].function +
							     patterns[i].offset[k],
						     NULL, &probes[k]),
				     0);
		cr_assert(pattern_is_right(&patterns[i], 0, 9));
		for (unsigned int k = 0; k < patterns[i].count; k++)
			cr_assert_eq(hits_of(probes[k]), 10);
		ep_probe_info(probes[0], &info);
		if (patterns[i].count > 1)
			cr_assert_eq(info.reason, EP_JUMP_OVERLAP);
		for (unsigned int k = 1; k < patterns[i].count; k++)
			ep_probe_remove(probes[k]);
		ep_probe_info(probes[0], &info);
		cr_assert_eq(info.plan, EP_PLAN_JUMP, "not planned again: %s",
			     ep_strerror(info.reason));
		ep_probe_remove(probes[0]);
	}
}

/* ---- contexts saved inside the region before promotion, resumed after ----------------------- */

static const struct pattern *current;
static _Atomic(struct ep_probe *) promoted;
static atomic_bool interrupted;

/* Another thread: nothing of the engine may be called from a signal handler. */
static void *promote_meanwhile(void *data)
{
	struct ep_probe *probe;

	(void)data;
	while (!atomic_load(&interrupted))
		sched_yield();
	if (ep_probe_create((const void *)current->function, NULL, &probe) == 0)
		atomic_store(&promoted, probe);
	return NULL;
}

static void wait_and_return(int sig, siginfo_t *info, void *ucontext)
{
	ucontext_t *context = ucontext;

	(void)sig;
	(void)info;
	atomic_store(&interrupted, true);
	while (!atomic_load(&promoted))
		sched_yield();
	/* As if the signal had come when the thread was at the last boundary. */
	context->uc_mcontext.gregs[REG_RIP] =
		(greg_t)current->function + current->offset[current->count - 1];
	context->uc_mcontext.gregs[REG_RDI] = 0;
	context->uc_mcontext.gregs[REG_RSI] = 0;
	context->uc_mcontext.gregs[REG_RCX] = 0;
}

/* Raises a signal whose frame, when it is resumed, is inside the function; it returns to here. */
static uint64_t interrupted_inside(void)
{
	uint64_t result;

	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			 "lea 1f(%%rip), %%rax\n\t"
			 "push %%rax\n\t"
			 "ud2\n\t"
			 "1: lea 128(%%rsp), %%rsp"
			 : "=a"(result)
			 :
			 : "rdi", "rsi", "rcx", "rdx", "memory", "cc");
	return result;
}

Test(stress, a_signal_frame_inside_the_region_is_resumed_after_promotion)
{
	struct sigaction action = {.sa_sigaction = wait_and_return, .sa_flags = SA_SIGINFO};

	sigaction(SIGILL, &action, NULL);
	for (int i = 1; i < PATTERN_COUNT; i++) {
		pthread_t thread;
		uint64_t result;

		current = &patterns[i];
		atomic_store(&interrupted, false);
		atomic_store(&promoted, NULL);
		pthread_create(&thread, NULL, promote_meanwhile, NULL);
		result = interrupted_inside();
		cr_assert_eq(result, 1, "%s: %lu", current->name, result);
		pthread_join(thread, NULL);
		cr_assert_eq(hits_of(promoted), 0);
		ep_probe_remove(promoted);
	}
}

Test(stress, a_context_inside_the_region_is_resumed_after_promotion)
{
	static const char bytes[16];
	static char stack[65536];

	for (volatile int i = 1; i < PATTERN_COUNT; i++) {
		const char *boundary = (const char *)patterns[i].function +
				       patterns[i].offset[patterns[i].count - 1];
		ucontext_t inside, here;
		struct ep_probe *probe;

		getcontext(&inside);
		inside.uc_stack.ss_sp = stack;
		inside.uc_stack.ss_size = sizeof(stack);
		inside.uc_link = &here;
		makecontext(&inside, (void (*)(void))boundary, 4, 0, bytes, NULL, 0);
		cr_assert_eq(ep_probe_create((const void *)patterns[i].function, NULL, &probe), 0);
		cr_assert_eq(swapcontext(&here, &inside), 0);
		cr_assert_eq(hits_of(probe), 0);
		ep_probe_remove(probe);
	}
}
