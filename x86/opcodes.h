/* SPDX-License-Identifier: MIT */
/* What follows each opcode, and which opcodes exist: the opcode maps as tables, for decode.c. */
#ifndef EMUPROBE_X86_OPCODES_H
#define EMUPROBE_X86_OPCODES_H

#include <stdbool.h>
#include <stdint.h>

#include "x86/insn.h"

/* A form: what follows the opcode byte, and in the upper byte the /digits that are plain. */
enum x86_form {
	X86_IMM = 0x000f, /* mask */
	X86_IMM8 = 1,
	X86_IMM16 = 2,
	X86_IMM24 = 3,	    /* enter: imm16, imm8 */
	X86_IMMZ = 4,	    /* 4 bytes, 2 with 66 */
	X86_IMMV = 5,	    /* as IMMZ, 8 with REX.W: mov r64, imm64 */
	X86_MOFFS = 6,	    /* an address, 8 bytes, 4 with 67 */
	X86_IMM_GROUP3 = 7, /* f6, f7: test has one, the others have none */
	X86_IMM_SSE4A = 8,  /* 0f 78: extrq and insertq have two bytes, vmread has none */

	X86_MODRM = 0x0010,
	X86_REGISTERS = 0x0020,	 /* a ModRM whose mod is taken as 3: mov to and from cr, dr */
	X86_NEAR_REL32 = 0x0040, /* near branch, rel32 */
	X86_NONE = 0x0080,	 /* no such instruction in 64-bit mode */
	X86_PLAIN = 0xff00,	 /* all eight /digits */
};

uint16_t x86_legacy_form(unsigned int map, uint8_t opcode);
uint16_t x86_vex_form(unsigned int map, uint8_t opcode, bool evex);

uint16_t x86_xop_form(unsigned int map);

/** Does @opcode exist in VEX or EVEX map @map (as encoded) with implied prefix @pp? */
bool x86_vex_exists(bool evex, unsigned int map, unsigned int pp, uint8_t opcode);

/** Is it an integer instruction that exists with every operand and prefix, lock excepted? */
bool x86_is_plain(const struct x86_insn *insn, uint16_t form);

/** Is it one of the legacy-encoded instructions that libcapstone 4.0 does not know? */
bool x86_is_newer_than_capstone(const struct x86_insn *insn);

#endif
