/* SPDX-License-Identifier: MIT */
/*
 * Claims: wherever a thread is in a detour, the program can be shown an address of its own, with
 * exactly the registers that it has there without the jump; and it can go on from these without a
 * second hit.
 *
 * The judge is this processor: the region is single-stepped without the jump first.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "fallback-xol/boost.h"
#include "fallback-xol/condition.h"
#include "fallback-xol/jump.h"
#include "tests/unit/fallback-xol/prepare.h"
#include "x86/condition.h"

#define TRAP	  0x100
#define TRACE_MAX 64

static struct ep_regs trace[TRACE_MAX]; /* one for each instruction */
static unsigned int trace_count, seen, hits, resume_at;
static unsigned int wanted = 1; /* hits */
static bool recording, ignoring_flags;
static struct xol_jump jump;
static const char *text;

static void hide_trap_flag(struct ep_regs *regs)
{
	regs->rflags &= ~(uint64_t)TRAP & 0xffff;
	if (ignoring_flags)
		regs->rflags &= ~(uint64_t)X86_STATUS_FLAGS;
}

static const struct ep_regs *find_in_trace(uint64_t rip)
{
	for (unsigned int i = 0; i < trace_count; i++)
		if (trace[i].rip == rip)
			return &trace[i];
	return NULL;
}

static void record(const struct ep_regs *frame)
{
	cr_assert_lt(trace_count, TRACE_MAX);
	trace[trace_count] = *frame;
	hide_trap_flag(&trace[trace_count++]);
}

static void check_step(struct ep_regs *frame)
{
	const struct ep_regs *expected;
	struct xol_origin origin;
	struct ep_regs regs = *frame, shown;

	if (!xol_origin(frame->rip, &origin))
		return;
	xol_origin_restore(&origin, &regs);
	shown = regs;
	hide_trap_flag(&shown);
	expected = find_in_trace(regs.rip);
	cr_assert_not_null(expected, "%s: %#lx is nowhere", text, regs.rip);
	cr_expect_arr_eq(&shown, expected, sizeof(shown), "%s: %#lx", text, frame->rip - jump.head);
	if (++seen != resume_at)
		return;
	regs.rflags |= TRAP;
	*frame = regs;
	frame->rip = origin.resume;
}

static void on_step(int signal, siginfo_t *info, void *context)
{
	struct ep_regs *frame = (void *)((ucontext_t *)context)->uc_mcontext.gregs;

	(void)signal;
	(void)info;
	if (recording)
		record(frame);
	else
		check_step(frame);
	if (frame->rip == (uint64_t)run_exit)
		frame->rflags &= ~(uint64_t)TRAP;
}

static void handle_steps(void)
{
	static uint8_t stack[65536];
	struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
	sigaction(SIGTRAP, &action, NULL);
}

static void hit(struct ep_regs *regs, void *site, uint64_t where, void *vectors)
{
	(void)where;
	(void)vectors;
	(void)regs;
	(void)site;
	hits++;
}

/* ---- detours of each kind ------------------------------------------------------------------ */

static uint64_t counter;
static __thread uint64_t *counters;
static __thread uint64_t mark = XOL_THREAD_MARK;

static struct xol_detour calling(void)
{
	return (struct xol_detour){.hit = hit, .save = XOL_SAVE_GENERAL};
}

/* While there are no counters it calls. */
static struct xol_detour counting(bool flags_are_dead)
{
	char *thread_pointer;

	__asm__("mov %%fs:0, %0" : "=r"(thread_pointer));
	return (struct xol_detour){
		.hit = hit,
		.save = XOL_SAVE_GENERAL,
		.only_counts = true,
		.flags_are_dead = flags_are_dead,
		.thread_offset = (int32_t)((char *)&counters - thread_pointer),
		.offset = 0,
		.mark_offset = (int32_t)((char *)&mark - thread_pointer),
	};
}

/* Single-stepping starts in run(), so the first recorded is still there. */
static void record_region(const struct run_case *c)
{
	trace_count = 0;
	recording = true;
	run_prepare((uint64_t)c->start, TRAP);
	run();
	recording = false;
}

static void run_patched(const struct run_case *c)
{
	uint8_t original[XOL_JUMP_SIZE];

	memcpy(original, c->start, sizeof(original));
	run_patch(jump.address, jump.bytes, sizeof(jump.bytes));
	seen = hits = 0;
	counter = 0;
	run_prepare((uint64_t)c->start, TRAP);
	run();
	run_patch(jump.address, original, sizeof(original));
	cr_expect_eq(hits + counter, wanted, "%s: %u calls, counted %lu", text, hits, counter);
}

static void prepare(const struct run_case *c, const struct xol_detour *detour)
{
	struct x86_insn insns[XOL_JUMP_SIZE];

	text = c->text;
	cr_assert_eq(xol_jump_prepare(insns, run_decode_region((uint64_t)c->start, insns), detour,
				      &jump),
		     0, "%s", text);
}

/*
 * The processor does not stop between sysret and the next instruction. And where the flags may be
 * lost, nothing may read them first.
 */
static bool is_steppable(const struct run_case *c)
{
	return !strstr(c->text, "syscall") && !(ignoring_flags && strstr(c->text, "loopne"));
}

static void check_each_step(const struct xol_detour *detour)
{
	for (const struct run_case *c = run_regions; c < run_regions_end; c++) {
		if (!is_steppable(c))
			continue;
		prepare(c, detour);
		record_region(c);
		run_patched(c);
		cr_expect_geq(seen, 4, "%s", text);
	}
}

static void check_each_resume(const struct xol_detour *detour)
{
	for (const struct run_case *c = run_regions; c < run_regions_end; c++) {
		if (!is_steppable(c))
			continue;
		prepare(c, detour);
		record_region(c);
		struct ep_regs expected = run_out.regs;

		/* Conditions are most of what they are in; each third step of them will do. */
		for (resume_at = 1; resume_at < (detour->condition_count ? 48 : 16);
		     resume_at += detour->condition_count ? 3 : 1) {
			run_patched(c);
			hide_trap_flag(&run_out.regs);
			hide_trap_flag(&expected);
			cr_expect_arr_eq(&run_out.regs, &expected, sizeof(expected),
					 "%s: resumed at step %u", text, resume_at);
		}
	}
}

/* Both ask for a number of 64 bits, the longest code that there is, and for RCX and RSP. */
static const struct ep_condition always[] = {
	{EP_CONDITION_REG(rcx), 8, 1, EP_GREATER_EQUAL, 1, 1, 0, (uint64_t)-5},
	{EP_CONDITION_REG(rsp), 8, 0, EP_GREATER, EP_TAKE, EP_LEAVE, 0, 1},
};
static const struct ep_condition never[] = {
	{EP_CONDITION_REG(rcx), 8, 1, EP_GREATER_EQUAL, 1, 1, 0, (uint64_t)-5},
	{EP_CONDITION_REG(rsp), 8, 0, EP_LESS_EQUAL, EP_TAKE, EP_LEAVE, 0, 1},
};

static void check_kind(struct xol_detour detour, void (*check)(const struct xol_detour *detour))
{
	check(&detour);
	detour.condition_count = 2;
	detour.conditions = always;
	check(&detour);
	detour.conditions = never;
	wanted = 0;
	check(&detour);
	wanted = 1;
}

static void check_kinds(void (*check)(const struct xol_detour *detour))
{
	const struct xol_detour kinds[] = {calling(), counting(false), counting(true)};

	cr_assert(xol_conditions_fit(always, 2) && xol_conditions_fit(never, 2));
	for (int i = 0; i < 3; i++) {
		ignoring_flags = kinds[i].flags_are_dead;
		for (int counted = 0; counted <= (i > 0); counted++) {
			counters = counted ? &counter : NULL;
			check_kind(kinds[i], check);
		}
	}
}

Test(jump_origin, is_exact_at_every_step, .init = handle_steps)
{
	check_kinds(check_each_step);
}

Test(jump_origin, can_be_resumed_at_every_step, .init = handle_steps)
{
	check_kinds(check_each_resume);
}

/* ---- bytes that are no instruction ---------------------------------------------------------- */

static uint64_t illegal_at;

static void on_illegal(int signal, siginfo_t *info, void *context)
{
	struct ep_regs *regs = (void *)((ucontext_t *)context)->uc_mcontext.gregs;

	(void)signal;
	(void)info;
	illegal_at = regs->rip;
	regs->rip = (uint64_t)run_exit;
}

Test(jump_traps, raise_sigill_on_this_processor)
{
	static const uint8_t bytes[] = {0xd6, 0xd4, 0xce, 0xea, 0x0e, 0x06, 0x07, 0x16, 0x17, 0x1e,
					0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x9a, 0x82};
	struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
	struct xol_code code;

	sigaction(SIGILL, &action, NULL);
	cr_assert_eq(xol_code_alloc((uint64_t)run, sizeof(bytes) * 16, &code), 0);
	memset(code.rw, 0, sizeof(bytes) * 16);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		code.rw[16 * i] = bytes[i];
		illegal_at = 0;
		run_prepare(code.rx + 16 * i, 0);
		run();
		cr_expect_eq(illegal_at, code.rx + 16 * i, "%#x", bytes[i]);
	}
}
