/* SPDX-License-Identifier: MIT */
/*
 * Every row of the emulator's table against this processor. EP_ORACLE_STATES says how many states
 * for each row; EP_ORACLE_SEED makes a run differ from, or equal, another.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/oracle/compare.h"
#include "tests/oracle/cpu.h"
#include "x86/cpu.h"

#define STATES_PER_INSN 250

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : otherwise;
}

static void init(void)
{
	random_state += 2 * setting("EP_ORACLE_SEED", 0);
	compare_init();
}

TestSuite(oracle, .init = init, .timeout = 7200);

/* Instructions that cannot be aimed, and states that cannot be solved, are replaced by others. */
static uint64_t judge(const struct emu_rule *rule, enum aim aim, uint64_t wanted)
{
	uint64_t done = 0;

	for (uint64_t tries = 0; done < wanted && tries < 100 * wanted; tries++) {
		struct trial trial;

		if (!generate_insn(rule, &trial))
			continue;
		cpu_load(trial.insn.bytes, trial.insn.length, trial.target);
		for (unsigned int i = 0; i < STATES_PER_INSN; i++) {
			struct ep_regs regs;

			if (!generate_state(&trial, aim, &regs))
				continue;
			if (!compare_state(&trial, &regs))
				return 0;
			done++;
		}
	}
	return done;
}

static void judge_all(enum aim aim, uint64_t wanted)
{
	uint64_t total = 0;

	for (size_t i = 0; i < emu_rules_count; i++) {
		uint64_t done = judge(&emu_rules[i], aim, wanted);

		cr_expect(done >= wanted, "%s: %lu states agree", emu_rules[i].instruction, done);
		total += done;
	}
	fprintf(stderr, "%zu rows, %lu states agree with this processor\n", emu_rules_count, total);
}

Test(oracle, rules_agree_with_cpu)
{
	judge_all(AIM_INSIDE, setting("EP_ORACLE_STATES", 100000));
}

/* Faults cost two signals each: fewer of them. */
Test(oracle, rules_withdraw_where_the_cpu_faults)
{
	judge_all(AIM_EDGE, setting("EP_ORACLE_STATES", 100000) / 100);
}

/* What does not go where its operand is needs no FS or GS base: with and without FSGSBASE. */
static void judge_with_segment(const struct emu_rule *rule, uint64_t wanted)
{
	uint64_t done = 0;

	for (uint64_t tries = 0; done < wanted && tries < 1000 * wanted; tries++) {
		struct trial trial;

		if (!generate_insn(rule, &trial) ||
		    !(trial.insn.prefixes & (X86_PREFIX_FS | X86_PREFIX_GS)))
			continue;
		cr_assert(compare_states(&trial, AIM_INSIDE, 20));
		done++;
	}
	cr_expect_eq(done, wanted, "%s: %lu encodings", rule->instruction, done);
}

Test(oracle, segments_mean_nothing_to_lea_and_nop)
{
	x86_cpu_mask("fsgsbase");
	for (size_t i = 0; i < emu_rules_count; i++)
		if (emu_rules[i].variants == &emu_lea ||
		    (emu_rules[i].variants == &emu_nop && emu_rules[i].shape == EMU_RM))
			judge_with_segment(&emu_rules[i], 200);
}
