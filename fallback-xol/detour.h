/* SPDX-License-Identifier: MIT */
/* Detours: what a jump goes to; calls a C function with the program's registers in memory. */
#ifndef EMUPROBE_FALLBACK_XOL_DETOUR_H
#define EMUPROBE_FALLBACK_XOL_DETOUR_H

/*
 * A detour begins with its data and then calls the code that all detours share. Byte offsets from
 * the return address of that call, for detour.S.
 */
#define DETOUR_ADDRESS	 -54
#define DETOUR_SITE	 -46
#define DETOUR_WHERE	 -38
#define DETOUR_HIT	 -30
#define DETOUR_DISPLACED 8 /* the displaced instructions */

/* Where a detour that asks finds the address at which it goes on, from the program's RSP. */
#define XOL_WAY_ON -16

/* What a thread has at %fs:mark_offset if what else is read through %fs is ours. */
#define XOL_THREAD_MARK 0x5e9ad3b1

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

#include "fallback-xol/builder.h"
#include "include/emuprobe.h"

/* What the called function may use besides general registers. */
enum xol_save {
	XOL_SAVE_GENERAL, /* nothing: it and all that it calls is built without vector registers */
	XOL_SAVE_VECTOR,  /* vector and mask registers, MXCSR; neither x87 nor AMX tiles */
};

/*
 * What a detour does. @hit may change registers; when it changes RIP the thread goes on there,
 * and the displaced instructions are not executed.
 */
struct xol_detour {
	void (*hit)(struct ep_regs *regs, void *site, uint64_t where, void *vectors);
	void *site;
	enum xol_save save;
	/* Code that is called in place of what .save means, and may go on in that; NULL: none. */
	const uint8_t *shared;
	/* It goes on where @hit says, by a word at XOL_WAY_ON from the program's stack pointer. */
	bool asks_the_way;
	/* Do nothing but what is displaced: it is there for its @guard. */
	bool silent;
	/* Of the syscalls among what is displaced; NULL: none. */
	const struct xol_guard *guard;
	/* Only where these say so is anything done. They must fit: see condition.h. */
	const struct ep_condition *conditions;
	size_t condition_count;
	/* Instead of calling @hit add one to a uint64_t. */
	bool only_counts;
	/* Counting may change the status flags: the program is going to replace them unread. */
	bool flags_are_dead;
	/* It lies at the pointer at %fs:thread_offset, plus offset; NULL there: call @hit, which is
	   told both, as xol_where(). The same where no mark is. */
	int32_t thread_offset, offset;
	int32_t mark_offset;
};

static inline uint64_t xol_where(int32_t thread_offset, int32_t offset)
{
	return (uint64_t)(uint32_t)offset << 32 | (uint32_t)thread_offset;
}

/**
 * Append a detour for @address, of which the displaced instructions follow.
 *
 * @callee  Not 0: what goes there is a call, in place of one to @callee.
 *
 * @return   Where its code begins, behind its data.
 */
uint64_t xol_build_detour(struct xol_builder *to, uint64_t address, const struct xol_detour *detour,
			  uint64_t callee);

/**
 * Did the instruction at @rip in a detour look for the mark at @mark_offset, in vain? Then @regs are
 * made to go on as if another value had been there.
 * Context:  TRAP_PATH; a fault at @regs->rip.
 */
EP_TRAP_PATH bool xol_detour_has_no_mark(struct ep_regs *regs, int32_t mark_offset);

/* Parts of detour.S. */
extern const uint8_t xol_detour_general[], xol_detour_sse[];
extern const uint8_t xol_detour_avx[], xol_detour_avx512f[], xol_detour_avx512[];
#endif

#endif
