/* SPDX-License-Identifier: MIT */
/*
 * Claim: whatever the handlers of a followed call do, AVX-512's registers and masks are what they were,
 * before and behind the call, with each plan and in several threads.
 *
 * A detour that finds all registers zero beyond 128 bits does not load these parts again. So it is
 * tried, too, with no bit there, and with a single one in each register and quadword.
 */
#include <criterion/criterion.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>

#include "tests/unit/probe/followed.h"
#include "x86/cpu.h"

TestSuite(calls_wide, .timeout = 120);

#define THREADS	  3
#define TIMES	  1200
#define REGISTERS 32
#define MASKS	  8
#define LOWER	  16 /* registers that older code has, too */
#define QUADWORDS 8  /* of a register */
#define OF_XMM	  2

/* As calls_wide_with() knows it. */
struct wide {
	alignas(64) uint64_t zmm[REGISTERS][QUADWORDS];
	uint64_t k[MASKS];
};

_Static_assert(offsetof(struct wide, k) == 2048, "see calls_wide_with()");

/* Load all vector registers and masks from @from, call calls_wide_quiet(), store them to @to. */
__asm__(".pushsection .text\n"
	".p2align 4\n"
	".type calls_wide_quiet, @function\n"
	"calls_wide_quiet:\n"
	".cfi_startproc\n"
	"	leaq	1(%rdi), %rax\n"
	"	leaq	2(%rax), %rax\n"
	"	ret\n"
	".cfi_endproc\n"
	".size calls_wide_quiet, .-calls_wide_quiet\n"
	".type calls_wide_with, @function\n"
	"calls_wide_with:\n"
	".cfi_startproc\n"
	"	pushq	%rbx\n"
	".cfi_adjust_cfa_offset 8\n"
	".cfi_offset rbx, -16\n"
	"	movq	%rsi, %rbx\n"
	".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	"	vmovups	64*\\n(%rdi), %zmm\\n\n"
	".endr\n"
	".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"	vmovups	64*\\n(%rdi), %zmm\\n\n"
	".endr\n"
	".irp n, 0,1,2,3,4,5,6,7\n"
	"	kmovq	2048+8*\\n(%rdi), %k\\n\n"
	".endr\n"
	"	call	calls_wide_quiet\n"
	".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"	vmovups	%zmm\\n, 64*\\n(%rbx)\n"
	".endr\n"
	".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
	"	vmovups	%zmm\\n, 64*\\n(%rbx)\n"
	".endr\n"
	".irp n, 0,1,2,3,4,5,6,7\n"
	"	kmovq	%k\\n, 2048+8*\\n(%rbx)\n"
	".endr\n"
	"	vzeroupper\n"
	"	popq	%rbx\n"
	".cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	".cfi_endproc\n"
	".size calls_wide_with, .-calls_wide_with\n"
	".popsection\n");
long calls_wide_quiet(long a);
void calls_wide_with(const struct wide *from, struct wide *to);

/* No C code here may use registers that it does not name, so it is all in assembly. */
static void spoil(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)call;
	__atomic_add_fetch((unsigned long *)cookie, 1, __ATOMIC_RELAXED);
	__asm__ volatile(".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
			 "vpternlogd $255, %%zmm\\n, %%zmm\\n, %%zmm\\n\n\t"
			 ".endr\n\t"
			 ".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
			 "vpternlogd $255, %%zmm\\n, %%zmm\\n, %%zmm\\n\n\t"
			 ".endr\n\t"
			 ".irp n, 0,1,2,3,4,5,6,7\n\t"
			 "kxnorq %%k\\n, %%k\\n, %%k\\n\n\t"
			 ".endr"
			 :
			 :
			 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
			   "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory");
}

static uint64_t used_of_masks; /* bits */

static void fill(struct wide *ret, unsigned int round)
{
	uint8_t *bytes = (uint8_t *)ret;
	unsigned int reg = round / 3 % LOWER;
	unsigned int quadword = OF_XMM + round / 3 / LOWER % (QUADWORDS - OF_XMM);

	for (unsigned int i = 0; i < sizeof(*ret); i++)
		bytes[i] = (uint8_t)(i * 37 + i / 251 + round);
	for (unsigned int i = 0; i < MASKS; i++)
		ret->k[i] &= used_of_masks;
	if (round % 3 == 0)
		return;
	for (unsigned int i = 0; i < LOWER; i++)
		memset(&ret->zmm[i][OF_XMM], 0, sizeof(ret->zmm[i]) - OF_XMM * sizeof(uint64_t));
	if (round % 3 == 1)
		ret->zmm[reg][quadword] = (uint64_t)1 << round % 64;
}

static _Atomic unsigned long differ;

static void *keep(void *data)
{
	static __thread struct wide from, to;

	(void)data;
	for (unsigned int i = 0; i < TIMES; i++) {
		fill(&from, i);
		memset(&to, 0, sizeof(to));
		calls_wide_with(&from, &to);
		differ += memcmp(&from, &to, sizeof(to)) != 0;
	}
	return NULL;
}

static void expect_kept(uint64_t of_masks)
{
	used_of_masks = of_masks;
	FOLLOWED_EACH_PLAN(plan)
	{
		unsigned long handled = 0;
		struct ep_options options = {.size = sizeof(options),
					     .plan = plan,
					     .cookie = &handled,
					     .entered = spoil,
					     .ended = spoil};
		struct ep_probe *probe;

		differ = 0;
		cr_assert_eq(ep_probe_create((const void *)calls_wide_quiet, &options, &probe), 0);
		keep(NULL);
		followed_in_threads(THREADS, keep, NULL);
		cr_expect_eq(differ, 0, "%s: %lu", ep_plan_name(plan), differ);
		cr_expect_eq(handled, 2 * TIMES * (THREADS + 1), "%s: %lu", ep_plan_name(plan),
			     handled);
		cr_expect_eq(ep_probe_remove(probe), 0);
	}
}

Test(calls_wide, keep_registers_and_masks)
{
	if (!__builtin_cpu_supports("avx512bw"))
		cr_skip_test("no AVX-512 with byte and word masks here");
	expect_kept(UINT64_MAX);
}

Test(calls_wide, keep_registers_and_masks_of_16_bits)
{
	if (!__builtin_cpu_supports("avx512bw"))
		cr_skip_test("no AVX-512 with byte and word masks here");
	cr_assert_null(x86_cpu_mask("avx512bw"));
	expect_kept(UINT16_MAX);
}
