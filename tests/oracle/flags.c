/* SPDX-License-Identifier: MIT */
/*
 * What x86_insn_flags_use() says of an instruction against what it does: run twice by the
 * emulator, which the other tests hold against the processor, with different status flags.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "emu/emu.h"
#include "tests/oracle/compare.h"
#include "x86/condition.h"
#include "x86/flags.h"

#define INSNS_PER_ROW 400

TestSuite(flags, .init = compare_init);

static bool run(const struct trial *trial, const struct ep_regs *in, uint64_t flags,
		struct ep_regs *out)
{
	struct emu_op op;

	*out = *in;
	out->rflags = (in->rflags & ~(uint64_t)X86_STATUS_FLAGS) | flags;
	return emu_prepare(&trial->insn, &op) == 0 && emu_run(&op, out);
}

/* The first run may change memory that the second one reads. */
static bool is_in_memory(const struct x86_insn *insn)
{
	return insn->modrm_offset && insn->modrm < 0xc0;
}

/* Does the outcome depend on the flags, but for the flags themselves? */
static bool is_same(struct ep_regs a, struct ep_regs b)
{
	a.rflags = b.rflags = 0;
	return memcmp(&a, &b, sizeof(a)) == 0;
}

/* @return whether there was something to check. */
static bool check(const struct trial *trial, enum x86_flags_use use)
{
	uint64_t first = random_u64() & X86_STATUS_FLAGS, second = first ^ X86_STATUS_FLAGS;
	const char *name = trial->rule->instruction;
	struct ep_regs in, a, b;
	uint64_t left;

	if (!generate_state(trial, AIM_INSIDE, &in) || !run(trial, &in, first, &a) ||
	    !run(trial, &in, second, &b))
		return false;
	if (is_in_memory(&trial->insn) && (use == X86_FLAGS_REPLACED || !is_same(a, b)))
		return false;
	cr_assert(is_same(a, b), "%s reads flags", name);
	left = (a.rflags ^ b.rflags) & X86_STATUS_FLAGS;
	if (use == X86_FLAGS_REPLACED)
		cr_assert_eq(left, 0, "%s lets through %#lx", name, left);
	else
		cr_assert(left == X86_STATUS_FLAGS && (a.rflags & X86_STATUS_FLAGS) == first,
			  "%s changes %#lx", name, a.rflags ^ first);
	return true;
}

Test(flags, are_used_as_stated)
{
	unsigned int rows[3] = {0};

	for (size_t i = 0; i < emu_rules_count; i++) {
		unsigned int checked[3] = {0};

		for (int tries = 0; tries < INSNS_PER_ROW; tries++) {
			struct trial trial;
			enum x86_flags_use use;

			if (!generate_insn(&emu_rules[i], &trial))
				continue;
			use = x86_insn_flags_use(&trial.insn);
			if (use == X86_FLAGS_USED)
				continue;
			checked[use] += check(&trial, use);
		}
		for (int use = 0; use < 3; use++)
			rows[use] += checked[use] > 0;
	}
	cr_expect_gt(rows[X86_FLAGS_REPLACED], 40, "%u rows", rows[X86_FLAGS_REPLACED]);
	cr_expect_gt(rows[X86_FLAGS_IGNORED], 30, "%u rows", rows[X86_FLAGS_IGNORED]);
}
