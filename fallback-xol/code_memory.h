/* SPDX-License-Identifier: MIT */
/* Executable memory near an address, never writable and executable at once (G6). */
#ifndef EMUPROBE_FALLBACK_XOL_CODE_MEMORY_H
#define EMUPROBE_FALLBACK_XOL_CODE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "sys/maps.h"

/* The same bytes twice: run them at .rx, write them through .rw. */
struct xol_code {
	uint64_t rx;
	uint8_t *rw;
};

/* How far from @near what jumps there, or is addressed from there, may lie. */
#define XOL_SLACK ((uint64_t)1 << 20)

/**
 * Does this kernel, or the sandbox around us, give memory for code at all?
 *
 * @return   0 or -EP_NO_MEMFD. Context: before anything else here. Two system calls.
 */
int xol_code_check(void);

/**
 * @size bytes that a rel32 from anywhere in [@near - slack, @near + slack] reaches. Never freed: a
 * thread may be inside (G4); callers keep what they got and use it again for the same address.
 *
 * What was written and made known to anyone may not be changed: after fork() the memory is shared
 * with the parent, and with children of it.
 *
 * @return   0, -EP_OUT_OF_REACH or -EP_NO_MEMORY.
 * Context:  any thread that holds the registry lock.
 */
int xol_code_alloc(uint64_t near, size_t size, struct xol_code *ret);

/** Everything that a rel32 from @address, give or take @slack, reaches, and that reaches it. */
struct sys_window xol_code_reach(uint64_t address, uint64_t slack);

/**
 * @size bytes that lie in @window, as near to @near as possible if it takes a new mapping.
 *
 * @align    Of .rx, a power of two, at most 64 KiB.
 *
 * @return   as xol_code_alloc().
 * Context:  as xol_code_alloc().
 */
int xol_code_alloc_in(struct sys_window window, uint64_t near, size_t size, size_t align,
		      struct xol_code *ret);

/**
 * Map new code memory at exactly @at; both page-aligned.
 *
 * @return   0, -EP_OUT_OF_REACH: something is mapped there, or -EP_NO_MEMORY.
 * Context:  as xol_code_alloc().
 */
int xol_code_map(uint64_t at, size_t size, struct xol_code *ret);

/**
 * Put code over what is mapped at @at, which is the engine's own: @pattern, again and again. Not to
 * be written to.
 *
 * @size     A multiple of 256 KiB; of @pattern_size, a power of two.
 *
 * @return   0 or -EP_NO_MEMORY: nothing has changed, or is nowhere executable.
 * Context:  as xol_code_alloc().
 */
int xol_code_repeat(uint64_t at, size_t size, const uint8_t *pattern, size_t pattern_size);

/**
 * Different in a child after fork(): nothing that was allocated, but not yet used, under another
 * generation may be written to, since the parent may do the same.
 *
 * @return   0: out of memory.
 * Context:  as xol_code_alloc(). A system call.
 */
uint64_t xol_code_generation(void);

struct xol_memory_usage {
	size_t chunks;	 /* mappings */
	size_t reserved; /* bytes of address space, executable side */
	size_t used;	 /* bytes handed out */
};
void xol_code_usage(struct xol_memory_usage *ret);

#endif
