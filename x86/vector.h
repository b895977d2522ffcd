/* SPDX-License-Identifier: MIT */
/* Which instructions have nothing to do with vector registers. */
#ifndef EMUPROBE_X86_VECTOR_H
#define EMUPROBE_X86_VECTOR_H

#include "x86/insn.h"

/**
 * Is it known to leave alone vector, mask, x87 and MMX registers, MXCSR and tiles? Said of the
 * commonest general instructions only; false means maybe.
 * Context:  any thread.
 */
bool x86_insn_is_general(const struct x86_insn *insn);

#endif
