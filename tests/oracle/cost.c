/* SPDX-License-Identifier: MIT */
/*
 * What emu_run() costs, for each row of the table: nanoseconds, of the dearest of some encodings.
 * "emulation-cost" prints the rows and the mean; to be seen against a trap, some 1,800 ns.
 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "tests/oracle/compare.h"

#define ENCODINGS 8
#define RUNS	  20000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Some operands cannot be aimed whatever the registers. */
static bool find_state(const struct trial *trial, struct ep_regs *ret)
{
	for (int tries = 0; tries < 1000; tries++)
		if (generate_state(trial, AIM_INSIDE, ret))
			return true;
	return false;
}

static double cost_of(const struct trial *trial)
{
	struct ep_regs start, regs;
	struct emu_op op;

	if (emu_prepare(&trial->insn, &op))
		return 0;
	if (!find_state(trial, &start))
		return 0;
	double least = HUGE_VAL;

	for (int batch = 0; batch < 3; batch++) {
		double began = now();

		for (int i = 0; i < RUNS; i++) {
			regs = start;
			if (!emu_run(&op, &regs))
				return 0; /* a divide error */
		}
		least = fmin(least, (now() - began) / RUNS);
	}
	return least;
}

static double dearest(const struct emu_rule *rule)
{
	double most = 0;

	for (int i = 0; i < ENCODINGS;) {
		struct trial trial;

		if (!generate_insn(rule, &trial))
			continue;
		double cost = cost_of(&trial);

		most = cost > most ? cost : most;
		i++;
	}
	return most;
}

int main(void)
{
	double sum = 0, most = 0;

	compare_init();
	for (size_t i = 0; i < emu_rules_count; i++) {
		double cost = dearest(&emu_rules[i]);

		printf("%6.1f  %s\n", cost, emu_rules[i].instruction);
		sum += cost;
		most = cost > most ? cost : most;
	}
	printf("mean %.1f ns, most %.1f ns\n", sum / (double)emu_rules_count, most);
	return 0;
}
