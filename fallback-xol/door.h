/* SPDX-License-Identifier: MIT */
/*
 * Doors: where copies of guarded system calls are made. A thread sleeps in such a call as a rule, and who
 * looks at a sleeping thread from outside, a debugger or a sampler, knows the code of mapped files
 * only. So the `syscall` itself is in our image, where an FDE leads to the program:
 *
 *	slot:	jmp *door ------>  door:  syscall
 *	done:	...		<------	  jmp *back
 *
 * All doors have the same code; each has data at a fixed distance.
 */
#ifndef EMUPROBE_FALLBACK_XOL_DOOR_H
#define EMUPROBE_FALLBACK_XOL_DOOR_H

#define XOL_DOORS      256
#define XOL_DOOR_SIZE  16 /* of code, and of data */
#define XOL_DOOR_DONE  3  /* offset behind the call */
#define XOL_DOOR_BACK  0  /* offsets in the data */
#define XOL_DOOR_OWNER 8

#ifndef __ASSEMBLER__
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

extern const uint8_t xol_doors[XOL_DOORS * XOL_DOOR_SIZE];

/** Is a thread at @rip in one? Context: TRAP_PATH. */
EP_TRAP_PATH static inline __attribute__((always_inline)) bool xol_is_door(uint64_t rip)
{
	return rip - (uint64_t)xol_doors < sizeof(xol_doors);
}

/**
 * The door of the syscall that ends at @owner, which is always the same.
 *
 * @return   its number + 1; 0: there are no more, or no memory.
 * Context:  any thread that holds the registry lock.
 */
unsigned int xol_door_take(uint64_t owner);

/** The address of @door, a number + 1. Context: TRAP_PATH. */
EP_TRAP_PATH uint64_t xol_door_address(unsigned int door);

/**
 * Who comes through @door goes on at @back. It may be open already: threads that are in a call go
 * on by the new way, which must do the same.
 *
 * Context:  any thread that holds the registry lock.
 */
void xol_door_open(unsigned int door, uint64_t back);

/**
 * What a thread at @rip is about to do.
 *
 * @back     Where it goes on behind the call.
 *
 * @return   the number + 1 of the door; 0: it is in none.
 * Context:  TRAP_PATH; wait-free.
 */
EP_TRAP_PATH unsigned int xol_door_find(uint64_t rip, uint64_t *back);
#endif

#endif
