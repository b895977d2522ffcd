/* SPDX-License-Identifier: MIT */
/* Control flow with the same meaning at a new address. */
#ifndef EMUPROBE_FALLBACK_XOL_DISPLACE_H
#define EMUPROBE_FALLBACK_XOL_DISPLACE_H

#include "fallback-xol/builder.h"
#include "x86/insn.h"

/**
 * Append what does the same as @insn, control flow included. What goes on behind itself does so
 * behind the appended code.
 *
 * @return   0, -EP_NOT_JUMPED: it cannot be done, or -EP_OUT_OF_REACH.
 */
int xol_displace(const struct x86_insn *insn, struct xol_builder *to);

/** Where it must be for its target or memory operand to be in reach: no long form is needed then.
 */
struct sys_window xol_displace_window(const struct x86_insn *insn);

#endif
