/* SPDX-License-Identifier: MIT */
/* Every condition code with every mix of the flags that it may look at: there are few enough. */
#include <criterion/criterion.h>

#include "tests/oracle/compare.h"
#include "tests/oracle/cpu.h"
#include "x86/condition.h"

TestSuite(conditions, .init = compare_init, .timeout = 400);

#define MIXES 64

static uint64_t mix_of(unsigned int number)
{
	static const uint64_t flags[] = {X86_CF, X86_PF, X86_AF, X86_ZF, X86_SF, X86_OF};
	uint64_t mix = X86_IF | 2;

	for (unsigned int i = 0; i < 6; i++)
		if (number >> i & 1)
			mix |= flags[i];
	return mix;
}

static void judge_mixes(const uint8_t *bytes, size_t size, uint64_t rcx)
{
	struct trial trial = {.target = CPU_INSN + 0x40};
	struct ep_regs regs = {.rax = 0x1122334455667788, .rbx = 0xffeeddccbbaa9988, .rcx = rcx};

	cr_assert_eq(x86_decode(bytes, size, CPU_INSN, &trial.insn), 0);
	trial.rule = emu_find_rule(&trial.insn);
	cr_assert(trial.rule);
	cpu_load(trial.insn.bytes, trial.insn.length, trial.target);
	for (unsigned int mix = 0; mix < MIXES; mix++) {
		regs.rip = CPU_INSN;
		regs.rflags = mix_of(mix);
		cr_expect(compare_state(&trial, &regs));
	}
}

Test(conditions, agree_with_cpu)
{
	for (uint8_t code = 0; code < 16; code++) {
		const uint8_t jcc8[] = {0x70 | code, 0x3e};		    /* jcc +3e */
		const uint8_t jcc32[] = {0x0f, 0x80 | code, 0x3a, 0, 0, 0}; /* jcc +3a */
		const uint8_t setcc[] = {0x0f, 0x90 | code, 0xc0};	    /* setcc al */
		const uint8_t cmov32[] = {0x0f, 0x40 | code, 0xc3};	    /* cmovcc eax, ebx */
		const uint8_t cmov64[] = {0x48, 0x0f, 0x40 | code, 0xc3};   /* cmovcc rax, rbx */

		judge_mixes(jcc8, sizeof(jcc8), 0);
		judge_mixes(jcc32, sizeof(jcc32), 0);
		judge_mixes(setcc, sizeof(setcc), 0);
		judge_mixes(cmov32, sizeof(cmov32), 0);
		judge_mixes(cmov64, sizeof(cmov64), 0);
	}
}

Test(conditions, of_counters_agree_with_cpu)
{
	const uint64_t counters[] = {0, 1, 2, 0x100000000, 0x100000001, UINT64_MAX};

	for (uint8_t opcode = 0xe0; opcode < 0xe4; opcode++) {
		const uint8_t plain[] = {opcode, 0x3e};	       /* loopne, loope, loop, jrcxz +3e */
		const uint8_t by_ecx[] = {0x67, opcode, 0x3d}; /* the same with ECX */

		for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
			judge_mixes(plain, sizeof(plain), counters[i]);
			judge_mixes(by_ecx, sizeof(by_ecx), counters[i]);
		}
	}
}
