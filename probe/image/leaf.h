/* SPDX-License-Identifier: MIT */
/* Which registers does a handler use? Its code is read to find out. */
#ifndef EMUPROBE_PROBE_IMAGE_LEAF_H
#define EMUPROBE_PROBE_IMAGE_LEAF_H

#include <stdint.h>

enum leaf_use {
	LEAF_ANY,     /* it may use anything */
	LEAF_GENERAL, /* general registers only */
	LEAF_SCRATCH, /* and of its second argument, a struct ep_regs, what EP_SCRATCH_REGS_ONLY allows */
};

/**
 * What does @function, with all that it calls, certainly use? LEAF_ANY for code that
 * cannot be followed: with calls through pointers, and so by way of a PLT; where anything but push,
 * pop, and add and sub of constants changes the stack pointer; beyond 256 instructions. LEAF_GENERAL
 * where the pointer to the registers leaves RSI.
 *
 * Context:  engine lock held. Some 50 ns an instruction; the last answer is remembered.
 */
enum leaf_use leaf_use(uint64_t function);

#endif
