/* SPDX-License-Identifier: MIT */
/* Does a handler use vector registers? Its code is read to find out. */
#ifndef EMUPROBE_PROBE_IMAGE_LEAF_H
#define EMUPROBE_PROBE_IMAGE_LEAF_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Does @function, with all that it calls, certainly use general registers only? False for code that
 * cannot be followed: with calls through pointers, and so by way of a PLT; where anything but push,
 * pop, and add and sub of constants changes the stack pointer; beyond 256 instructions.
 *
 * Context:  engine lock held. Some 50 ns an instruction; the last answer is remembered.
 */
bool leaf_is_general(uint64_t function);

#endif
