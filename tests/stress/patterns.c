/* SPDX-License-Identifier: MIT */
#include "tests/stress/patterns.h"

#define PATTERNS(X)                                                                                \
	X(none, 1, 0)                                                                              \
	X(1, 2, 0, 1)                                                                              \
	X(2, 2, 0, 2)                                                                              \
	X(3, 2, 0, 3)                                                                              \
	X(4, 2, 0, 4)                                                                              \
	X(12, 3, 0, 1, 2)                                                                          \
	X(13, 3, 0, 1, 3)                                                                          \
	X(14, 3, 0, 1, 4)                                                                          \
	X(23, 3, 0, 2, 3)                                                                          \
	X(24, 3, 0, 2, 4)                                                                          \
	X(34, 3, 0, 3, 4)                                                                          \
	X(123, 4, 0, 1, 2, 3)                                                                      \
	X(124, 4, 0, 1, 2, 4)                                                                      \
	X(134, 4, 0, 1, 3, 4)                                                                      \
	X(234, 4, 0, 2, 3, 4)                                                                      \
	X(1234, 5, 0, 1, 2, 3, 4)

#define DECLARE(name, count, ...)                                                                  \
	uint64_t pattern_##name(uint64_t zero, const char *bytes, const void *back, uint64_t loops);
PATTERNS(DECLARE)
#undef DECLARE

const struct pattern patterns[PATTERN_COUNT] = {
#define ROW(name, count, ...) {#name, pattern_##name, count, {__VA_ARGS__}},
	PATTERNS(ROW)
#undef ROW
};

int pattern_is_right(const struct pattern *pattern, unsigned int back, uint64_t loops)
{
	static const char bytes[4096];
	const char *target = (const char *)pattern->function + pattern->offset[back];
	uint64_t expected = (uint64_t)bytes + pattern->count + loops * (pattern->count - back);

	return pattern->function(0, bytes, target, loops) == expected;
}
