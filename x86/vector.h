/* SPDX-License-Identifier: MIT */
/* Which instructions have nothing to do with vector registers. */
#ifndef EMUPROBE_X86_VECTOR_H
#define EMUPROBE_X86_VECTOR_H

#include "x86/insn.h"

/**
 * Does @insn certainly leave vector, mask, x87 and MMX registers, MXCSR and tiles alone? Only the
 * commonest general instructions are known; false means that it may use them.
 * Context:  any thread.
 */
bool x86_insn_is_general(const struct x86_insn *insn);

#endif
