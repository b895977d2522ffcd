/* SPDX-License-Identifier: MIT */
/* What a handler does, as far as its code tells. */
#ifndef EMUPROBE_PROBE_IMAGE_LEAF_H
#define EMUPROBE_PROBE_IMAGE_LEAF_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Is @function, with all that it calls, sure to leave alone everything but general registers? Only
 * what calls nothing outside of its own object can be seen through: no calls through pointers, and
 * so none by way of a PLT, nothing but push, pop, add and sub of
 * constants on the stack pointer; 256 instructions at most.
 *
 * Context:  engine lock held. Some 50 ns an instruction; the last answer is remembered.
 */
bool leaf_is_general(uint64_t function);

#endif
