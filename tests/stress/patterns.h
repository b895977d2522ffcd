/* SPDX-License-Identifier: MIT */
/* Functions of every boundary pattern, see patterns.S. */
#ifndef EMUPROBE_TESTS_STRESS_PATTERNS_H
#define EMUPROBE_TESTS_STRESS_PATTERNS_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t (*pattern_function)(uint64_t zero, const char *bytes, const void *back,
				     uint64_t loops);

struct pattern {
	const char *name;
	pattern_function function;
	uint8_t count;	   /* instructions that begin in the first five bytes */
	uint8_t offset[5]; /* of each */
};

enum { PATTERN_COUNT = 16 };
extern const struct pattern patterns[PATTERN_COUNT];

/* Call it, going back @loops times to instruction @back: does every instruction count? */
int pattern_is_right(const struct pattern *pattern, unsigned int back, uint64_t loops);

#endif
