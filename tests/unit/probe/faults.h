/* SPDX-License-Identifier: MIT */
/* Functions that fault; see faults.S. */
#ifndef EMUPROBE_TESTS_UNIT_PROBE_FAULTS_H
#define EMUPROBE_TESTS_UNIT_PROBE_FAULTS_H

/* What rdi is when the function is called. */
#define FAULT_HOLE	   0 /* start of a page without any access */
#define FAULT_BEFORE_HOLE  1 /* four bytes in front of it */
#define FAULT_READ_ONLY	   2 /* a page that cannot be written */
#define FAULT_NO_FILE	   3 /* a mapping behind the end of its file */
#define FAULT_NO_EXEC	   4 /* a `ret` in a page that cannot be executed */
#define FAULT_NONCANONICAL 5
#define FAULT_NUMBER	   6 /* 0: a divisor */
#define FAULT_ODD	   7 /* good memory, not aligned */
#define FAULT_DATA	   8 /* a page that is addressed relative to RIP */
#define FAULT_ARGUMENTS	   9

#ifndef __ASSEMBLER__
#include <stdint.h>

struct fault_case {
	const uint8_t *start, *fault, *skip; /* skip: where the function ends well */
	uint64_t argument;
	const char *name;
};

extern const struct fault_case fault_cases[], fault_cases_end[];
extern uint8_t fault_page[4096]; /* FAULT_DATA */

/* As call_with_registers(), with known vector registers, x87 and MXCSR in their initial state. */
void fault_call(const void *function, const uint64_t *in, uint64_t *out);

#endif

#endif
