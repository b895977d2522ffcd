/* SPDX-License-Identifier: MIT */
/* Slots: where copies live, and how a thread found in one is led back to the original. */
#ifndef EMUPROBE_FALLBACK_XOL_SLOT_H
#define EMUPROBE_FALLBACK_XOL_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fallback-xol/code_memory.h"
#include "include/emuprobe.h"

#define XOL_CELL 32 /* slots are one or more of these */

/*
 * What of the program's state is not where it should be, in one part of a slot. The low bits are
 * one enum, the rest flags; bits 8 and up the number of the scratch register.
 */
enum xol_state {
	XOL_STATE_EXACT,	 /* all is as the program would see it */
	XOL_STATE_BELOW,	 /* RSP is 128 too low */
	XOL_STATE_SCRATCH,	 /* RSP is 136 too low and points to the scratch register's value */
	XOL_STATE_PUSHED,	 /* RSP is 8 too low */
	XOL_STATE_RAX_RCX,	 /* RSP is 144 too low and points to the values of RAX and RCX */
	XOL_STATE_PUSHED_TWICE,	 /* RSP is 16 too low */
	XOL_STATE_POPPED,	 /* RSP is 8 too high */
	XOL_STATE_STACK = 7,	 /* mask of the above */
	XOL_STATE_SYSCALL = 8,	 /* RCX may be the address behind the copy of a syscall */
	XOL_STATE_EXECUTED = 16, /* the address is that behind the instruction */
	XOL_STATE_HANDLED = 32,	 /* the handlers of the instruction have been called */
	XOL_STATE_SCRATCH_SHIFT = 8,
};

/* From .offset of the slot on, until the next one. */
struct xol_step {
	uint16_t offset;
	uint16_t state;	  /* of enum xol_state */
	uint16_t resume;  /* offset at which exact registers do what is left to do */
	int32_t original; /* RIP to show, from the slot's .address */
};

/* What is known of a slot. Written once, before anyone can get there. */
struct xol_slot {
	uint64_t rx;
	uint64_t address; /* the instruction, or the first of them, that it is a copy of */
	uint16_t size;
	uint16_t step_count;
	uint16_t door; /* that its system call is made through, a number + 1; 0: none */
	struct xol_step steps[];
};

/**
 * Room for @size bytes of code in @window.
 *
 * @return   0, -EP_OUT_OF_REACH or -EP_NO_MEMORY.
 * Context:  any thread that holds the registry lock.
 */
int xol_slot_alloc(struct sys_window window, uint64_t near, size_t size, struct xol_code *ret);

/**
 * Make known what the code at @slot->rx is. The code must have been written, @slot must live
 * forever; .size must be what was asked for.
 *
 * Context:  as xol_slot_alloc().
 */
void xol_slot_publish(const struct xol_slot *slot);

/**
 * The slot that @rip is in, NULL: none.
 * Context:  TRAP_PATH; wait-free.
 */
EP_TRAP_PATH const struct xol_slot *xol_slot_find(uint64_t rip);

#endif
