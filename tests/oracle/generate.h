/* SPDX-License-Identifier: MIT */
/* What to try: instructions that fall under a row, and states to run them on. */
#ifndef EMUPROBE_TESTS_ORACLE_GENERATE_H
#define EMUPROBE_TESTS_ORACLE_GENERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/rules.h"
#include "x86/insn.h"

/* Where a memory operand and the stack are aimed at. */
enum aim {
	AIM_INSIDE, /* the window: no fault */
	AIM_EDGE,   /* its end, read-only memory and the guard behind that */
};

struct trial {
	const struct emu_rule *rule;
	struct x86_insn insn;
	uint64_t target; /* in the code page: where branches go */
};

/* xorshift64*; never 0. */
extern uint64_t random_state;
uint64_t random_u64(void);
uint64_t random_below(uint64_t n);

/** Edge cases, small numbers and random ones, in every size. */
uint64_t random_value(void);

/** @return false: no luck; ask again. */
bool generate_insn(const struct emu_rule *rule, struct trial *ret);

/**
 * The same for bytes that come from elsewhere: only the operands that are addresses are changed.
 *
 * @return   false: it cannot be run here.
 */
bool generate_from(const struct x86_insn *insn, struct trial *ret);

/** Random registers and flags that aim memory operands and the stack. Writes branch targets to
 *  memory where the instruction takes them from there. @return false: ask again. */
bool generate_state(const struct trial *trial, enum aim aim, struct ep_regs *ret);

#endif
