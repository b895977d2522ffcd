/* SPDX-License-Identifier: MIT */
/*
 * How the caller's registers are found from a function's, at one of its instructions, as an FDE says it
 * (DWARF 4, "Call Frame Information"): worked out in a hit. Registers are numbered by the psABI, "DWARF
 * Register Number Mapping".
 */
#ifndef EMUPROBE_PROBE_IMAGE_RULES_H
#define EMUPROBE_PROBE_IMAGE_RULES_H

#include "probe/image/live.h"

enum rules_register {
	RULES_RBX = 3,
	RULES_RBP = 6,
	RULES_RSP = 7,
	RULES_R12 = 12,
	RULES_RETURN = 16, /* the return address; in expressions RIP */
	RULES_CFA = 17,	   /* what RSP is in the caller */
	RULES_REGISTERS,
};

enum rules_kind {
	RULES_SAME,	 /* it is still what it was in the caller */
	RULES_UNDEFINED, /* it is lost; of the return address: nobody has called */
	RULES_SUM,	 /* .base + .offset */
	RULES_LOADED,	 /* what lies at .base + .offset, + .more */
	RULES_UNKNOWN,	 /* computed in another way */
};

struct rules_value {
	uint8_t kind, base; /* enum rules_kind, enum rules_register */
	int32_t offset, more;
};

/* Of the registers that are the same before and after a call. */
struct rules {
	struct rules_value cfa, rbx, rbp, r12, r13, r14, r15, ret;
};

#define RULES_VALUES 8

/**
 * What holds in front of the instruction at @rip, looked up at @address: the same, or that of a call
 * which returns to @rip, one byte less.
 *
 * @return   false: nobody knows.
 * Context:  TRAP_PATH, wait-free; some hundred ns, 1.5 KiB of stack.
 */
EP_TRAP_PATH bool rules_find(const struct live_fde *fde, uint64_t address, uint64_t rip,
			     struct rules *ret);

/**
 * What the DWARF expression in @block means at @rip. @cfa: CFA is on its stack to begin with. @ret->kind
 * is RULES_SUM, RULES_LOADED, or RULES_UNKNOWN.
 * Context:  TRAP_PATH, wait-free.
 */
EP_TRAP_PATH void rules_evaluate(struct live_reader block, uint64_t rip, bool cfa,
				 struct rules_value *ret);

#endif
