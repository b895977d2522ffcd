/* SPDX-License-Identifier: MIT */
/* The way back of a thread that was stopped: a signal frame as the kernel would have written it. */
#ifndef EMUPROBE_ATTACH_FRAME_H
#define EMUPROBE_ATTACH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define FRAME_VECTORS_MAX (16ul << 10)

/* A thread as it was found. */
struct frame_state {
	struct user_regs_struct regs;
	uint64_t mask; /* of signals */
	uint64_t call; /* the number of the system call that it is in, if it is in one */
	size_t vectors_size;
	_Alignas(64) unsigned char vectors[FRAME_VECTORS_MAX]; /* NT_X86_XSTATE */
};

/** Bytes that it takes at most, whatever @state is. */
size_t frame_size(const struct frame_state *state);

/**
 * Write to @ret, of frame_size() bytes, what is to lie at @at in the process: first the address that a
 * `ret` goes to, @restore, which makes the system call rt_sigreturn; then the frame that this reads.
 * A system call that was interrupted begins anew: one with a time to wait waits all of it again.
 *
 * @at       A multiple of 64.
 */
void frame_put(const struct frame_state *state, uint64_t restore, uint64_t at, unsigned char *ret);

/** Was what begins with these bytes written by frame_put(), by somebody who has died since? */
bool frame_is_left(const unsigned char *bytes, uint64_t restore);

#endif
