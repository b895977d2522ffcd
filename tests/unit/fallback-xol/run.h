/* SPDX-License-Identifier: MIT */
/* Runs one instruction on this processor with chosen registers, wherever it stands. */
#ifndef EMUPROBE_TESTS_FALLBACK_XOL_RUN_H
#define EMUPROBE_TESTS_FALLBACK_XOL_RUN_H

/* Byte offsets in struct run_state, for run.S; registers as in struct ep_regs. */
#define RUN_RIP	   128
#define RUN_RFLAGS 136
#define RUN_VECTOR 192

/* What an instruction of corpus.S needs. */
#define RUN_BASELINE 0
#define RUN_AVX2     1
#define RUN_BMI2     2
#define RUN_AVX512F  3
#define RUN_AMX	     4

#ifndef __ASSEMBLER__
#include <stdalign.h>
#include <stdint.h>

#include "include/emuprobe.h"

/* Everything that an instruction can change, memory apart. */
struct run_state {
	struct ep_regs regs;
	alignas(64) uint8_t vector[16384]; /* XSAVE area, standard format */
};

extern struct run_state run_in, run_out;

/* Loads run_in, goes to run_in.regs.rip, and saves run_out when run_exit is jumped to. */
void run(void);
void run_exit(void);

/* An instruction of corpus.S, which is followed by a jump to run_exit. */
struct run_case {
	const uint8_t *start, *end;
	const char *text;
	uint64_t needs; /* RUN_BASELINE .. */
};

extern const struct run_case run_corpus[], run_corpus_end[];
extern const struct run_case run_regions[], run_regions_end[]; /* regions.S */
extern uint8_t run_data[]; /* 4096 bytes that corpus.S addresses relative to RIP */
#endif

#endif
