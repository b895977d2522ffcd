/* SPDX-License-Identifier: MIT */
/* Which registers and which memory an instruction names. */
#ifndef EMUPROBE_PROBE_IMAGE_OPERAND_H
#define EMUPROBE_PROBE_IMAGE_OPERAND_H

#include <stdbool.h>
#include <stdint.h>

#include "x86/insn.h"

/* General registers, as the processor numbers them. */
enum {
	OPERAND_NONE = -1,
	RAX = 0,
	RCX = 1,
	RDX = 2,
	RBX = 3,
	RSP = 4,
	RBP = 5,
	RSI = 6,
	RDI = 7,
	R8 = 8,
	OPERAND_REGISTERS = 16,
};

/* A memory operand. */
struct operand {
	int base, index; /* or OPERAND_NONE */
	unsigned int scale;
	bool is_rip_relative;
};

/** Is it a legacy instruction of that map? Context of all of these: any thread, wait-free. */
bool operand_is_legacy(const struct x86_insn *insn, enum x86_map map);

/** Bits 3 to 5 of ModRM, an opcode's extension or, with REX.R, a register. */
unsigned int operand_digit(const struct x86_insn *insn);
int operand_reg(const struct x86_insn *insn);

/** The register that is named by the rest of ModRM, or by the opcode byte. */
int operand_rm(const struct x86_insn *insn);
int operand_in_opcode(const struct x86_insn *insn);

/** Which of the two is ModRM's operand? */
bool operand_is_memory(const struct x86_insn *insn);
bool operand_is_register(const struct x86_insn *insn);

/** Only if it is memory. */
struct operand operand_memory(const struct x86_insn *insn);

/** Does it access that memory? lea, nop and prefetch do not; nor, in effect, does adding 0. */
bool operand_is_accessed(const struct x86_insn *insn);

/** How many bytes of it may be accessed. */
int64_t operand_size(const struct x86_insn *insn);

/** Is it an instruction on bytes, with one of AH, CH, DH and BH where a number from 4 to 7 stands? */
bool operand_is_byte(const struct x86_insn *insn);

#endif
