/* SPDX-License-Identifier: MIT */
/* Builds a slot: code, and what each part of it stands for. */
#ifndef EMUPROBE_FALLBACK_XOL_BUILDER_H
#define EMUPROBE_FALLBACK_XOL_BUILDER_H

#include "fallback-xol/slot.h"

enum {
	XOL_CODE_MAX = 512,
	XOL_STEPS_MAX = 48,
	XOL_RED_ZONE = 128, /* psABI, "The Stack Frame" */
};

/*
 * What does not fit, or is out of reach, sets .error and is not written; look at it once, at the
 * end. No piece changes a flag.
 */
struct xol_guard;

struct xol_builder {
	uint64_t rx;	  /* where bytes[0] will run */
	uint64_t address; /* of the original */
	size_t size;
	uint16_t step_count;
	uint16_t door, door_back; /* as in struct xol_slot */
	int error;
	const struct xol_guard *guard; /* of each syscall that is copied; NULL: none */
	struct xol_step steps[XOL_STEPS_MAX];
	uint8_t bytes[XOL_CODE_MAX];
};

void xol_build_start(struct xol_builder *to, uint64_t rx, uint64_t address);

/* The address of the next byte. */
static inline uint64_t xol_build_here(const struct xol_builder *to)
{
	return to->rx + to->size;
}

/* A thread from here on is at @rip in the program, but for @state. */
void xol_build_step(struct xol_builder *to, uint64_t rip, unsigned int state);

void xol_build_bytes(struct xol_builder *to, const void *bytes, size_t size);
void xol_build_jmp(struct xol_builder *to, uint64_t target);			/* 5 or 14 bytes */
void xol_build_jcc(struct xol_builder *to, unsigned int code, uint64_t target); /* 6 or 16 */
void xol_build_push(struct xol_builder *to, unsigned int reg);
void xol_build_pop(struct xol_builder *to, unsigned int reg);
void xol_build_add_rsp(struct xol_builder *to, int32_t disp);
void xol_build_call_mem(struct xol_builder *to, uint64_t pointer);	      /* must be in reach */
void xol_build_mov(struct xol_builder *to, unsigned int reg, uint64_t value); /* 7 or 10 bytes */

/* Push @value in one or two parts, as the beginning of what stands for @rip. 5 or 13 bytes. */
void xol_build_push_value(struct xol_builder *to, uint64_t rip, uint64_t value);

/* On top of the stack is a target: put @value there instead, and go to the target. */
void xol_build_return_below(struct xol_builder *to, uint64_t rip, uint64_t value);

/**
 * Write the code to @at, which must run at .rx, and publish it as a slot.
 *
 * @return   0, .error, or -EP_NO_MEMORY.
 * Context:  as xol_slot_alloc().
 */
int xol_build_finish(const struct xol_builder *from, const struct xol_code *at);

#endif
