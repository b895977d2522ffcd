/* SPDX-License-Identifier: MIT */
/* Jumps of five bytes: a thread that jumps into the middle of one gets a trap, and is sent on. */
#ifndef EMUPROBE_FALLBACK_XOL_JUMP_H
#define EMUPROBE_FALLBACK_XOL_JUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "fallback-xol/detour.h"
#include "include/emuprobe.h"
#include "x86/insn.h"

#define XOL_JUMP_SIZE 5

/*
 * A jump that is ready to be written. Offsets are those of the displaced instructions from the
 * address; from the second on they are boundaries, where .bytes holds something that traps: int3,
 * or else a byte that is no instruction in 64-bit mode (SIGILL).
 */
struct xol_jump {
	uint64_t address;
	uint64_t head;		       /* where the jump goes */
	uint64_t entry[XOL_JUMP_SIZE]; /* execute the displaced instruction and what follows it;
					  entry[0] passes without the call to hit() */
	uint8_t bytes[XOL_JUMP_SIZE];  /* of the jump */
	uint8_t offset[XOL_JUMP_SIZE];
	uint8_t count;	/* displaced instructions */
	uint8_t length; /* bytes that they take; less than XOL_JUMP_SIZE: what follows is left */
	bool returns_inside; /* a displaced call returns to a boundary: a trap each time */
	bool invalid_opcode; /* a boundary raises SIGILL instead of SIGTRAP */
};

/**
 * Make a detour for the instructions at @insns, and choose where it is so that the jump to it has
 * a trap at every boundary. Nothing of the program is changed.
 *
 * @insns   Adjacent, covering XOL_JUMP_SIZE bytes, none behind that.
 *
 * @return  0, -EP_INVALID, -EP_NOT_JUMPED: one of them cannot be displaced, -EP_OUT_OF_REACH: no
 *          address for the detour has the bytes that it must have, or -EP_NO_MEMORY.
 * Context: any thread that holds the registry lock. The memory is never freed (G4): keep the
 *          result for the next time.
 */
int xol_jump_prepare(const struct x86_insn *insns, unsigned int count,
		     const struct xol_detour *detour, struct xol_jump *ret);

/**
 * The same for instructions that end before XOL_JUMP_SIZE bytes. What follows them is an instruction
 * that stays whole: the detour is where the jump's last bytes are those that stand there, and
 * whoever comes to it by another road executes it as it is.
 *
 * @original  The XOL_JUMP_SIZE bytes that stand there.
 *
 * @return    as xol_jump_prepare(); -EP_OUT_OF_REACH is likelier: the place of the detour is given to
 *            16 MiB by the last byte alone.
 */
int xol_jump_prepare_short(const struct x86_insn *insns, unsigned int count,
			   const uint8_t original[XOL_JUMP_SIZE], const struct xol_detour *detour,
			   struct xol_jump *ret);

/**
 * Can these instructions be displaced at all, wherever the detour is?
 *
 * @return  0, -EP_INVALID or -EP_NOT_JUMPED. Allocates nothing.
 * Context: any thread.
 */
int xol_jump_check(const struct x86_insn *insns, unsigned int count);

/** The entry for a thread that arrives at @address, a boundary or the start; 0: neither. */
EP_TRAP_PATH uint64_t xol_jump_entry(const struct xol_jump *jump, uint64_t address);

#endif
