/* SPDX-License-Identifier: MIT */
/* What the tests of copies share: registers and memory to start from, processes short of space. */
#ifndef EMUPROBE_TESTS_FALLBACK_XOL_PREPARE_H
#define EMUPROBE_TESTS_FALLBACK_XOL_PREPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/maps.h"
#include "tests/unit/fallback-xol/run.h"
#include "x86/insn.h"

#define RUN_STACK_SIZE (256 * 1024) /* handlers run on it */
#define RUN_STACK_USED 1024	    /* bytes above the stack pointer at the start */
#define RUN_RED_ZONE   128	    /* below it; the rest is free for all */

extern uint8_t run_stack[RUN_STACK_SIZE];

/* What can be seen of a run. */
struct run_result {
	struct run_state state;
	uint8_t data[4096], stack[RUN_RED_ZONE + RUN_STACK_USED];
};

/* Does this processor have it, and does the system permit it? */
bool run_has(uint64_t feature);

/* The same registers and memory each time; @flags are the status flags to start with. */
void run_prepare(uint64_t rip, uint64_t flags);

/* Prepare, run, and take down what came of it. */
void run_at(uint64_t rip, uint64_t flags, struct run_result *ret);

/*
 * Forget registers 0 to 15 beyond 256 bits, where there are such: each instruction that writes to
 * their first 256 bits with VEX, and VZEROUPPER, clears them.
 */
void run_forget_beyond_avx(struct run_state *state);

/* Forget what only AVX512BW has of mask registers: an instruction of AVX512F that writes clears it. */
void run_forget_beyond_avx512f(struct run_state *state);

/* Decode the instructions that the five bytes at @at belong to. @return how many */
unsigned int run_decode_region(uint64_t at, struct x86_insn insns[5]);

/* Change program text, as only a single thread may. */
void run_patch(uint64_t address, const uint8_t *bytes, size_t size);

/* Leave no unmapped page in @window. */
void run_fill(struct sys_window window);

/* Is any page of this process both writable and executable, or any code of ours writable? */
bool run_finds_writable_code(void);

#endif
