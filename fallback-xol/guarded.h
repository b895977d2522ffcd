/* SPDX-License-Identifier: MIT */
/* A copy of a `syscall` that is shown to the engine first, if its number is one of some. */
#ifndef EMUPROBE_FALLBACK_XOL_GUARDED_H
#define EMUPROBE_FALLBACK_XOL_GUARDED_H

/* Its data: byte offsets from what R11 points to when the engine is entered, for .S files. */
#define GUARDED_ADDRESS 0  /* of the original syscall */
#define GUARDED_PASS	8  /* where the copy makes the call as it is */
#define GUARDED_DONE	16 /* where it goes on behind the call */
#define GUARDED_NUMBERS 24
#define GUARDED_ENTER	32
#define GUARDED_DOOR	40 /* through which it makes the call; see door.h */
#define GUARDED_SIZE	48

#ifndef __ASSEMBLER__
#include <stdint.h>

struct x86_insn;
struct xol_builder;

#define XOL_GUARD_NUMBERS 65536

struct xol_guard {
	/* By the low 16 bits of RAX: not 0, enter. */
	const uint8_t *numbers; /* [XOL_GUARD_NUMBERS] */
	/*
	 * Code, not a C function: it gets all registers as the program has them, but for RCX and R11,
	 * which the call is about to overwrite; R11 points to the data. It goes to GUARDED_PASS or,
	 * with RCX holding just that address and R11 the flags, to GUARDED_DONE.
	 */
	void (*enter)(void);
};

/**
 * Append the look at the number, and the call.
 *
 * @insn     The original.
 */
void xol_build_guarded(struct xol_builder *to, const struct xol_guard *guard,
		       const struct x86_insn *insn);
#endif

#endif
