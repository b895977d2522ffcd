/* SPDX-License-Identifier: MIT */
/*
 * Claim: with a jump written over it, a region does what it did before, wherever it is entered,
 * and its handler sees every register as the program had it.
 *
 * The judge is this processor: each region of regions.S runs before and after, from its start and
 * from each boundary.
 */
#include "fallback-xol/jump.h"

#include <criterion/criterion.h>
#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "fallback-xol/boost.h"
#include "tests/unit/fallback-xol/prepare.h"
#include "x86/cpu.h"

#define STATUS_FLAGS 0x8d5
#define DIRECTION    0x400

static struct run_result before, after;
static struct xol_jump jump;
static unsigned int hits, right_hits, traps;
static uint64_t caller_of_hit;
static const char *text;
static void (*forget)(struct run_state *state); /* what the detour is not for; NULL: nothing */

/* ---- patching, as one thread alone may do it ------------------------------------------------- */

static void on_trap(int signal, siginfo_t *info, void *context)
{
	struct ep_regs *regs = (void *)((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t entry = xol_jump_entry(&jump, regs->rip - (signal == SIGTRAP));

	(void)info;
	cr_assert_neq(entry, 0, "%s: trap at %#lx", text, regs->rip);
	traps++;
	regs->rip = entry;
}

static void handle_traps(void)
{
	static uint8_t stack[65536];
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
	sigaction(SIGTRAP, &action, NULL);
	sigaction(SIGILL, &action, NULL);
}

/* ---- running --------------------------------------------------------------------------------- */

static void compare(unsigned int offset)
{
	if (forget) {
		forget(&before.state);
		forget(&after.state);
	}
	cr_expect_arr_eq(&after.state.regs, &before.state.regs, sizeof(struct ep_regs),
			 "registers: %s, from %u", text, offset);
	cr_expect_arr_eq(after.state.vector, before.state.vector, sizeof(before.state.vector),
			 "vector state: %s, from %u", text, offset);
	cr_expect_arr_eq(after.data, before.data, sizeof(before.data), "memory: %s, from %u", text,
			 offset);
	cr_expect_arr_eq(after.stack, before.stack, sizeof(before.stack), "stack: %s, from %u",
			 text, offset);
}

/* No call: libc's functions use what this processor has, whatever is masked. */
static bool sees_all(const struct ep_regs *regs, const void *site)
{
	const uint64_t *seen = (const uint64_t *)regs, *wanted = (const uint64_t *)&run_in.regs;
	bool ret = site == &jump;

	for (size_t i = 0; i < sizeof(*regs) / 8; i++)
		ret &= seen[i] == wanted[i];
	return ret;
}

/* Sees all, and destroys what a C function may destroy. */
static void hit(struct ep_regs *regs, void *site, uint64_t where, void *vectors)
{
	(void)where;
	(void)vectors;
	hits++;
	right_hits += sees_all(regs, site);
	caller_of_hit = (uint64_t)__builtin_return_address(0);
	__asm__ volatile("divps %%xmm0, %%xmm0" : : : "xmm0"); /* raises exception flags */
	__asm__ volatile("pcmpeqb %%xmm0, %%xmm0; pcmpeqb %%xmm7, %%xmm7; pcmpeqb %%xmm15, %%xmm15"
			 :
			 :
			 : "xmm0", "xmm7", "xmm15");
	if (x86_cpu_has(X86_CPU_AVX))
		__asm__ volatile("vxorps %%ymm1, %%ymm1, %%ymm1; vpcmpeqb %%xmm9, %%xmm9, %%xmm9"
				 :
				 :
				 : "xmm1", "xmm9");
	if (x86_cpu_has(X86_CPU_AVX512))
		__asm__ volatile("vpternlogd $255, %%zmm20, %%zmm20, %%zmm20; kxnorw %%k1, %%k1, "
				 "%%k3; vpternlogd $255, %%zmm1, %%zmm1, %%zmm1"
				 :
				 :
				 : "memory");
}

static const struct xol_detour detour = {.hit = hit, .site = &jump, .save = XOL_SAVE_VECTOR};

static void check_bytes(void)
{
	int32_t rel;

	memcpy(&rel, jump.bytes + 1, sizeof(rel));
	/* A call is replaced by a call. */
	cr_expect_eq(jump.bytes[0],
		     jump.count == 1 && *(uint8_t *)jump.address == 0xe8 ? 0xe8 : 0xe9, "%s", text);
	cr_expect_eq(jump.address + 5 + (int64_t)rel, jump.head, "%s", text);
	for (unsigned int i = 1; i < jump.count; i++)
		cr_expect(jump.invalid_opcode || jump.bytes[jump.offset[i]] == 0xcc, "%s", text);
}

static void check_from(unsigned int offset, unsigned int traps_wanted, uint64_t flags)
{
	uint8_t original[XOL_JUMP_SIZE];

	memcpy(original, (void *)jump.address, sizeof(original));
	run_at(jump.address + offset, flags, &before);
	run_patch(jump.address, jump.bytes, sizeof(jump.bytes));
	hits = right_hits = traps = 0;
	run_at(jump.address + offset, flags, &after);
	run_patch(jump.address, original, sizeof(original));
	cr_expect_eq(hits, offset == 0, "hits: %s", text);
	cr_expect_eq(right_hits, hits, "in the handler: %s", text);
	cr_expect_eq(traps, traps_wanted, "traps: %s", text);
	compare(offset);
}

static void check_entry(unsigned int i, uint64_t flags)
{
	check_from(jump.offset[i], i != 0, flags);
}

static void check_region(const struct run_case *c)
{
	struct x86_insn insns[XOL_JUMP_SIZE];
	unsigned int count;

	text = c->text;
	count = run_decode_region((uint64_t)c->start, insns);
	cr_assert_eq(xol_jump_prepare(insns, count, &detour, &jump), 0, "%s", text);
	check_bytes();
	for (unsigned int i = 0; i < jump.count; i++) {
		check_entry(i, 0);
		check_entry(i, STATUS_FLAGS);
		check_entry(i, STATUS_FLAGS | DIRECTION);
	}
}

Test(jump_region, agrees_with_cpu_from_every_boundary, .init = handle_traps)
{
	for (const struct run_case *c = run_regions; c < run_regions_end; c++)
		check_region(c);
}

/* The first @count instructions make way, and the next one is whole. False: there is no place. */
static bool check_short(const struct run_case *c, unsigned int count)
{
	struct x86_insn insns[XOL_JUMP_SIZE];
	int error;

	text = c->text;
	run_decode_region((uint64_t)c->start, insns);
	error = xol_jump_prepare_short(insns, count, (const uint8_t *)c->start, &detour, &jump);
	if (error == -EP_OUT_OF_REACH)
		return false;
	cr_assert_eq(error, 0, "%s", text);
	check_bytes();
	cr_expect_arr_eq(jump.bytes + jump.length, (const uint8_t *)c->start + jump.length,
			 sizeof(jump.bytes) - jump.length, "%s", text);
	for (unsigned int i = 0; i < jump.count; i++)
		check_entry(i, STATUS_FLAGS);
	check_from(jump.length, 0, STATUS_FLAGS);
	return true;
}

Test(jump_region, agrees_with_cpu_where_the_rest_stays, .init = handle_traps)
{
	unsigned int checked = 0;

	for (const struct run_case *c = run_regions; c < run_regions_end; c++) {
		struct x86_insn insns[XOL_JUMP_SIZE];
		unsigned int count = run_decode_region((uint64_t)c->start, insns);

		for (unsigned int i = 1; i < count; i++)
			checked += check_short(c, i);
	}
	cr_expect_gt(checked, 10, "%u", checked);
}

Test(jump_region, of_which_the_rest_stays_is_short)
{
	struct x86_insn insns[XOL_JUMP_SIZE];
	uint64_t start = (uint64_t)run_regions->start;
	unsigned int count = run_decode_region(start, insns);

	cr_expect_eq(xol_jump_prepare_short(insns, count, (const uint8_t *)start, &detour, &jump),
		     -EP_INVALID);
	cr_expect_eq(xol_jump_prepare(insns, count - 1, &detour, &jump), -EP_INVALID);
}

/*
 * The code for older processors works on newer ones, too, as long as the handler uses no more than
 * it keeps: hit() does what x86_cpu_has() allows. But what it is not for, of registers that it loads,
 * is cleared. @end is what follows it in detour.S.
 */
static void check_detour(const char *mask, const uint8_t *start, const uint8_t *end)
{
	cr_assert_null(x86_cpu_mask(mask));
	for (const struct run_case *c = run_regions; c < run_regions_end; c++) {
		caller_of_hit = 0;
		check_region(c);
		cr_expect(caller_of_hit >= (uint64_t)start && caller_of_hit < (uint64_t)end,
			  "%s: not the detour that is meant", text);
	}
}

Test(jump_region, agrees_with_cpu_by_the_detour_for_sse, .init = handle_traps)
{
	check_detour("avx", xol_detour_sse, xol_detour_avx);
	check_detour("xsave", xol_detour_sse, xol_detour_avx);
}

Test(jump_region, agrees_with_cpu_by_the_detour_for_avx, .init = handle_traps)
{
	if (!x86_cpu_has(X86_CPU_AVX))
		cr_skip_test("no AVX here: its detour cannot be run");
	forget = run_forget_beyond_avx;
	check_detour("avx512", xol_detour_avx, xol_detour_avx512);
}

Test(jump_region, agrees_with_cpu_by_the_detour_for_avx512, .init = handle_traps)
{
	if (!x86_cpu_has(X86_CPU_AVX512))
		cr_skip_test("no AVX-512 here: its detour cannot be run");
	if (!x86_cpu_has(X86_CPU_AVX512BW))
		cr_skip_test("no 64-bit masks here");
	check_detour("", xol_detour_avx512, xol_detour_avx512f);
}

Test(jump_region, agrees_with_cpu_by_the_detour_for_avx512f, .init = handle_traps)
{
	if (!x86_cpu_has(X86_CPU_AVX512))
		cr_skip_test("no AVX-512 here: its detour cannot be run");
	forget = run_forget_beyond_avx512f;
	check_detour("avx512bw", xol_detour_avx512f, xol_detour_avx512f + 4096);
}

/* Nothing free where int3 would put a head: other bytes must do. */
Test(jump_region, agrees_with_cpu_with_invalid_opcodes, .init = handle_traps)
{
	uint64_t here = (uint64_t)run;

	run_fill((struct sys_window){here - 0x40000000, here - 0x20000000});
	for (const struct run_case *c = run_regions; c < run_regions_end; c++)
		check_region(c);
}

Test(jump_region, has_int3_at_boundaries_where_there_is_space)
{
	for (const struct run_case *c = run_regions; c < run_regions_end; c++) {
		struct x86_insn insns[XOL_JUMP_SIZE];

		text = c->text;
		cr_assert_eq(xol_jump_prepare(insns, run_decode_region((uint64_t)c->start, insns),
					      &detour, &jump),
			     0);
		cr_expect_not(jump.invalid_opcode, "%s", text);
	}
}

/* ---- what a handler may do ------------------------------------------------------------------- */

static void (*change)(struct ep_regs *regs);

static void change_hit(struct ep_regs *regs, void *site, uint64_t where, void *vectors)
{
	(void)where;
	(void)vectors;
	(void)site;
	change(regs);
}

static void run_with(void (*how)(struct ep_regs *regs), uint64_t flags)
{
	static const struct xol_detour changing = {.hit = change_hit, .save = XOL_SAVE_GENERAL};
	struct x86_insn insns[XOL_JUMP_SIZE];
	uint64_t start = (uint64_t)run_regions[7].start; /* push %rbp; mov %rsp,%rbp; sub */
	uint8_t original[XOL_JUMP_SIZE];

	change = how;
	text = run_regions[7].text;
	memcpy(original, (void *)start, sizeof(original));
	cr_assert_eq(xol_jump_prepare(insns, run_decode_region(start, insns), &changing, &jump), 0);
	run_patch(start, jump.bytes, sizeof(jump.bytes));
	run_at(start, flags, &after);
	run_patch(start, original, sizeof(original));
}

static void change_all(struct ep_regs *regs)
{
	uint64_t *reg = (uint64_t *)regs;

	for (unsigned int i = 0; i < 15; i++)
		reg[i] = 0x1111 * (i + 1);
}

Test(jump_handler, changes_registers)
{
	const struct ep_regs *out = &after.state.regs;

	run_with(change_all, 0);
	cr_expect_eq(out->r8, 0x1111);
	cr_expect_eq(out->r15, 0x1111 * 8);
	cr_expect_eq(out->rdi, 0x1111 * 9);
	cr_expect_eq(out->rbx, 0x1111 * 12);
	cr_expect_eq(out->rcx, 0x1111 * 15);
	cr_expect_eq(out->rbp, run_in.regs.rsp - 8);
	cr_expect_eq(*(uint64_t *)out->rbp, 0x1111 * 11);
}

static void change_flags(struct ep_regs *regs)
{
	regs->rflags ^= STATUS_FLAGS | DIRECTION;
	regs->rip += 4; /* past the instructions that set flags: push and mov have been skipped */
	regs->rip += 4;
}

Test(jump_handler, changes_flags_and_rip)
{
	run_with(change_flags, 0);
	cr_expect_eq(after.state.regs.rflags & 0xfff, 0x202 | STATUS_FLAGS | DIRECTION);
	cr_expect_eq(after.state.regs.rsp, run_in.regs.rsp);
	run_with(change_flags, STATUS_FLAGS | DIRECTION);
	cr_expect_eq(after.state.regs.rflags & 0xfff, 0x202);
}

static int64_t rsp_by;

static void change_rsp(struct ep_regs *regs)
{
	regs->rsp += (uint64_t)rsp_by;
}

Test(jump_handler, changes_rsp, .init = handle_traps)
{
	static const int64_t distances[] = {8, -8, 128, -128, 512, -512, 280, -280};

	for (size_t i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
		rsp_by = distances[i];
		run_with(change_rsp, STATUS_FLAGS);
		cr_expect_eq(after.state.regs.rsp, run_in.regs.rsp + (uint64_t)rsp_by - 24,
			     "by %ld", rsp_by);
		cr_expect_eq(after.state.regs.r8, run_in.regs.r8);
		cr_expect_eq(after.state.regs.rax, run_in.regs.rax);
	}
}

static void nothing(struct ep_regs *regs)
{
	(void)regs;
}

Test(jump_handler, leaves_flags_alone)
{
	for (uint64_t flags = 0; flags < 0x1000; flags++) {
		if (flags & ~(uint64_t)(STATUS_FLAGS | DIRECTION))
			continue;
		run_with(nothing, flags);
		cr_expect_eq(after.state.regs.rbp, run_in.regs.rsp - 8);
	}
}

/* ---- unwinding ------------------------------------------------------------------------------- */

static void *frames[16];
static int frame_count;

static void look_back(struct ep_regs *regs)
{
	(void)regs;
	frame_count = backtrace(frames, 16);
}

static __attribute__((noinline)) int victim(int x)
{
	__asm__ volatile("");
	return x * 3 + 1;
}

static __attribute__((noinline)) int caller(int x)
{
	int ret = victim(x);

	__asm__ volatile("" : "+r"(ret));
	return ret + 1;
}

Test(jump_unwind, sees_the_program_from_a_handler)
{
	static const struct xol_detour looking = {.hit = change_hit, .save = XOL_SAVE_VECTOR};
	struct x86_insn insns[XOL_JUMP_SIZE];
	uint64_t start = (uint64_t)victim;
	bool saw_victim = false, saw_caller = false;

	text = "victim";
	change = look_back;
	cr_assert_eq(xol_jump_prepare(insns, run_decode_region(start, insns), &looking, &jump), 0);
	run_patch(start, jump.bytes, sizeof(jump.bytes));
	cr_expect_eq(caller(5), 17);
	for (int i = 0; i < frame_count; i++) {
		uint64_t frame = (uint64_t)frames[i];

		saw_victim |= frame == start;
		saw_caller |= frame > (uint64_t)caller && frame < (uint64_t)caller + 64;
	}
	cr_expect(saw_victim);
	cr_expect(saw_caller);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static int prepare_bytes(const uint8_t *bytes, size_t size)
{
	struct x86_insn insns[XOL_JUMP_SIZE];
	uint64_t home = (uint64_t)run;
	unsigned int count = 0;

	for (size_t at = 0; at < size; at += insns[count++].length)
		cr_assert_eq(x86_decode(bytes + at, size - at, home + at, &insns[count]), 0);
	return xol_jump_prepare(insns, count, &detour, &jump);
}

Test(jump_prepare, refuses_what_cannot_be_displaced)
{
	static const uint8_t int3[] = {0x50, 0x50, 0x50, 0x50, 0xcc};
	static const uint8_t call_rsp[] = {0xff, 0xd4, 0x48, 0x89, 0xc0};
	static const uint8_t call_pushed[] = {0xff, 0x54, 0x24, 0xf8, 0x90};
	static const uint8_t far[] = {0x48, 0xff, 0x2f, 0x50, 0x50};
	static const uint8_t xbegin[] = {0xc7, 0xf8, 0, 0, 0, 0};

	cr_expect_eq(prepare_bytes(int3, 5), -EP_NOT_JUMPED);
	cr_expect_eq(prepare_bytes(call_rsp, 5), -EP_NOT_JUMPED);
	cr_expect_eq(prepare_bytes(call_pushed, 5), -EP_NOT_JUMPED);
	cr_expect_eq(prepare_bytes(far, 5), -EP_NOT_JUMPED);
	cr_expect_eq(prepare_bytes(xbegin, 6), -EP_NOT_JUMPED);
}

Test(jump_prepare, refuses_what_is_no_region)
{
	static const uint8_t four[] = {0x50, 0x50, 0x50, 0x50};
	static const uint8_t six[] = {0x50, 0x50, 0x50, 0x50, 0x50, 0x50};

	cr_expect_eq(prepare_bytes(four, 4), -EP_INVALID);
	struct x86_insn insns[6];

	for (int i = 0; i < 6; i++)
		x86_decode(six, 1, (uint64_t)run + i, &insns[i]);
	cr_expect_eq(xol_jump_prepare(insns, 6, &detour, &jump), -EP_INVALID);
	cr_expect_eq(xol_jump_prepare(insns, 0, &detour, &jump), -EP_INVALID);
}

Test(jump_prepare, refuses_where_all_space_is_taken)
{
	static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe5, 0x90};

	run_fill(xol_code_reach((uint64_t)run, 0));
	cr_expect_eq(prepare_bytes(code, 5), -EP_OUT_OF_REACH);
}
