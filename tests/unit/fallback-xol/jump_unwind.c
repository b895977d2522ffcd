/* SPDX-License-Identifier: MIT */
/*
 * Claim: a stack can be unwound from every instruction of the code that detours share, as if the
 * probed instruction had been interrupted: a profiler's signal may arrive at any of them.
 */
#include <criterion/criterion.h>
#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "fallback-xol/jump.h"
#include "probe/site/hit.h"
#include "probe/site/running.h"
#include "probe/thread/area.h"
#include "probe/thread/thread.h"
#include "tests/unit/fallback-xol/prepare.h"

#define TRAP	   0x100
#define FRAMES_MAX 16

extern const uint8_t __start_ep_trap_path[], __stop_ep_trap_path[];

static unsigned int checked;
static bool moving; /* the handler changes RIP: the program is there, then */

static __attribute__((noinline)) int victim(int x)
{
	__asm__ volatile("");
	return x * 3 + 1;
}

static __attribute__((noinline)) int elsewhere(int x)
{
	__asm__ volatile("");
	return x * 5 + 1;
}

static __attribute__((noinline)) int caller(int x)
{
	int ret = victim(x);

	__asm__ volatile("" : "+r"(ret));
	return ret + 1;
}

static bool is_shared_code(uint64_t rip)
{
	return rip >= (uint64_t)__start_ep_trap_path && rip < (uint64_t)__stop_ep_trap_path;
}

static bool contains(void *const *frames, int count, const void *lo, uint64_t size)
{
	for (int i = 0; i < count; i++)
		if ((uint64_t)frames[i] - (uint64_t)lo < size)
			return true;
	return false;
}

static void on_step(int signal, siginfo_t *info, void *context)
{
	const struct ep_regs *regs = (void *)((ucontext_t *)context)->uc_mcontext.gregs;
	void *frames[FRAMES_MAX];

	(void)signal;
	(void)info;
	if (!is_shared_code(regs->rip))
		return;
	int count = backtrace(frames, FRAMES_MAX);

	checked++;
	cr_expect(contains(frames, count, (void *)victim, 1) ||
			  (moving && contains(frames, count, (void *)elsewhere, 1)),
		  "the probed instruction, from %#lx", regs->rip - (uint64_t)xol_detour_general);
	cr_expect(contains(frames, count, (void *)caller, 64), "its caller, from %#lx",
		  regs->rip - (uint64_t)xol_detour_general);
}

static void handle_steps(void)
{
	static uint8_t stack[262144];
	struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	void *frames[FRAMES_MAX];

	backtrace(frames, FRAMES_MAX); /* loads libgcc now */
	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
	sigaction(SIGTRAP, &action, NULL);
}

static void step(void)
{
	__asm__ volatile("pushfq; orl %0, (%%rsp); popfq" : : "i"(TRAP) : "memory", "cc");
}

static void stop_stepping(void)
{
	__asm__ volatile("pushfq; andl %0, (%%rsp); popfq" : : "i"(~TRAP) : "memory", "cc");
}

static void hit(struct ep_regs *regs, void *site, uint64_t where, void *vectors)
{
	(void)where;
	(void)vectors;
	(void)site;
	if (moving)
		regs->rip = (uint64_t)elsewhere;
}

static void run_detour(const struct xol_detour *detour, int result)
{
	struct x86_insn insns[XOL_JUMP_SIZE];
	uint8_t original[XOL_JUMP_SIZE];
	struct xol_jump jump;
	uint64_t start = (uint64_t)victim;
	int ret;

	memcpy(original, (void *)start, sizeof(original));
	cr_assert_eq(xol_jump_prepare(insns, run_decode_region(start, insns), detour, &jump), 0);
	run_patch(start, jump.bytes, sizeof(jump.bytes));
	checked = 0;
	step();
	ret = caller(5);
	stop_stepping();
	run_patch(start, original, sizeof(original));
	cr_expect_eq(ret, result);
	cr_expect_geq(checked, 50, "%u", checked);
}

static void run_victim(enum xol_save save, int result)
{
	const struct xol_detour detour = {.hit = hit, .save = save};

	run_detour(&detour, result);
}

static unsigned int handled;

__attribute__((target("general-regs-only"))) static void handle(struct ep_probe *probe,
								struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	handled++;
}

/* What the engine has made of a thread and a site, when a detour of this kind is called. */
static void run_scratch(bool is_known, bool is_scratch, int result)
{
	static __thread uint64_t *counters;
	static struct probe_thread thread;
	static struct ep_probe probe = {.handler = handle};
	static struct probe_site site;
	uint64_t count = 0, before = handled;
	struct xol_detour detour = {.hit = hit, .site = &site, .shared = hit_scratch};

	counters = &count;
	detour.thread_offset = (int32_t)((char *)&counters - (char *)__builtin_thread_pointer());
	probe.scratch_only = is_scratch;
	atomic_store(&probe.state.word, PROBE_ENABLED);
	atomic_store(&site.only, &probe);
	atomic_store(&thread.tid, 1);
	probe_thread_known = is_known ? &thread : NULL;
	running_init();
	run_detour(&detour, result);
	cr_expect_eq(count, (uint64_t)(is_known && is_scratch));
	cr_expect_eq(handled, before + (is_known && is_scratch));
}

Test(jump_unwind, works_from_every_instruction_of_the_short_way, .init = handle_steps)
{
	run_scratch(true, true, 17);
	run_scratch(false, true, 17);
	run_scratch(true, false,
		    17); /* another probe has come while a thread was on its way here */
}

Test(jump_unwind, works_from_every_instruction, .init = handle_steps)
{
	run_victim(XOL_SAVE_GENERAL, 17);
	run_victim(XOL_SAVE_VECTOR, 17);
}

Test(jump_unwind, works_from_every_instruction_to_somewhere_else, .init = handle_steps)
{
	moving = true;
	run_victim(XOL_SAVE_GENERAL, 27);
}
