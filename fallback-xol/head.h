/* SPDX-License-Identifier: MIT */
/* Heads: where jumps go whose displacement has bytes that are prescribed. */
#ifndef EMUPROBE_FALLBACK_XOL_HEAD_H
#define EMUPROBE_FALLBACK_XOL_HEAD_H

#include "fallback-xol/code_memory.h"
#include "include/emuprobe.h"

#define XOL_HEAD_SIZE 5 /* jmp rel32 */

/* A rel32 from @base fits if (rel32 & mask) == value. Masks consist of whole bytes. */
struct xol_pattern {
	uint64_t base;
	uint32_t mask, value;
	bool is_lone; /* others will hardly want to be there: a page will do */
};

/**
 * Room for a head that fits @pattern.
 *
 * @growth   Also take space that the heap or the main stack may want later.
 *
 * @return   0, -EP_OUT_OF_REACH or -EP_NO_MEMORY.
 * Context:  any thread that holds the registry lock.
 */
int xol_head_alloc(struct xol_pattern pattern, bool growth, struct xol_code *ret);

/**
 * Make known that @head stands for @address.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  as xol_head_alloc(). Before anyone can get there.
 */
int xol_head_publish(uint64_t head, uint64_t address);

/**
 * @return   0: no head begins at @rip.
 * Context:  TRAP_PATH; wait-free.
 */
EP_TRAP_PATH uint64_t xol_head_find(uint64_t rip);

#endif
