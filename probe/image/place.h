/* SPDX-License-Identifier: MIT */
/* Can a probe stand at an address, whatever the plan? */
#ifndef EMUPROBE_PROBE_IMAGE_PLACE_H
#define EMUPROBE_PROBE_IMAGE_PLACE_H

#include "include/emuprobe.h"
#include "x86/insn.h"

/**
 * Decode the instruction at @address, as it was before any probe, having made sure that one begins
 * there: by decoding its function from the start, where anything knows the start. In memory that
 * belongs to no object (generated code) the caller is believed.
 *
 * @return   0, or -EP_NOT_EXECUTABLE, -EP_NOT_AN_INSN, -EP_UNDECODABLE, -EP_NO_FUNCTION,
 *           -EP_FORBIDDEN, -EP_VDSO, -EP_RSEQ, -EP_FOREIGN_INT3, -EP_NO_MEMORY.
 * Context:  engine lock held. About a microsecond for each instruction from the start of the
 *           function, less when asked in ascending order.
 */
int place_check(uint64_t address, struct x86_insn *ret);

/**
 * Decode what stands at @address, before any probe; nothing says that an instruction begins there.
 *
 * @return   0, -EP_UNDECODABLE or -EP_NOT_EXECUTABLE.
 * Context:  engine lock held.
 */
int place_decode(uint64_t address, struct x86_insn *ret);

/* Fill object, symbol, symbol_offset. Context: engine lock held. */
void place_describe(uint64_t address, struct ep_info *ret);

#endif
