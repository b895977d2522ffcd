/* SPDX-License-Identifier: MIT */
/* Programs with probes on very many functions: their output must be what it is without. */
#ifndef EMUPROBE_TESTS_SUPPORT_WHOLE_H
#define EMUPROBE_TESTS_SUPPORT_WHOLE_H

struct whole_program {
	const char *name;
	const char *const argv[8];
};

/* Skips the test where it is not installed. */
const struct whole_program *whole_find(const char *name);

/* Runs it without, and with @definitions only counted under @plan: the same output and end. */
void whole_expect_same(const struct whole_program *program, const char *definitions,
		       const char *plan);

#endif
