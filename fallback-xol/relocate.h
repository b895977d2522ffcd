/* SPDX-License-Identifier: MIT */
/* An instruction with the same meaning at a new address. */
#ifndef EMUPROBE_FALLBACK_XOL_RELOCATE_H
#define EMUPROBE_FALLBACK_XOL_RELOCATE_H

#include "fallback-xol/builder.h"
#include "x86/insn.h"

/* No relocated instruction takes more code, the jump back not counted. */
#define XOL_RELOCATED_MAX 96

/** Does it go on behind itself, or fault, wherever it stands? */
bool xol_is_relocatable(const struct x86_insn *insn);

/** The address of a RIP-relative operand, as seen from the original. */
uint64_t xol_operand_address(const struct x86_insn *insn);

/**
 * Append what does the same as @insn, with a step for each part: the first is the instruction
 * itself, the last, at the end, behind it.
 *
 * @return   0, -EP_NOT_BOOSTED: see xol_is_relocatable(), or -EP_OUT_OF_REACH: it uses the stack
 *           pointer and an operand that a rel32 from there does not reach.
 */
int xol_relocate(const struct x86_insn *insn, struct xol_builder *to);

/** As xol_relocate(), but only the bytes, for any instruction with a ModRM: never a scratch. */
int xol_relocate_operand(const struct x86_insn *insn, struct xol_builder *to);

#endif
