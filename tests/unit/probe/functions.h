/* SPDX-License-Identifier: MIT */
/* Functions to probe; each returns the sum of its arguments. See functions.S. */
#ifndef EMUPROBE_TESTS_UNIT_PROBE_FUNCTIONS_H
#define EMUPROBE_TESTS_UNIT_PROBE_FUNCTIONS_H

#include <stdint.h>

typedef uint64_t (*sum_function)(uint64_t a, uint64_t b);

#define SUM_FUNCTIONS(X)                                                                           \
	X(starts_with_push)                                                                        \
	X(starts_with_lea)                                                                         \
	X(starts_with_call)                                                                        \
	X(starts_with_jmp)                                                                         \
	X(starts_with_jcc)                                                                         \
	X(starts_with_sse)                                                                         \
	X(starts_with_rip_relative)                                                                \
	X(starts_with_endbr)                                                                       \
	X(starts_with_nop)

#define DECLARE(name) uint64_t name(uint64_t a, uint64_t b);
SUM_FUNCTIONS(DECLARE)
DECLARE(uses_red_zone)
DECLARE(uses_red_zone_boosted)
#undef DECLARE

extern const char in_red_zone[], in_red_zone_boosted[];

void call_with_registers(const void *function, const uint64_t *in, uint64_t *out);

#endif
