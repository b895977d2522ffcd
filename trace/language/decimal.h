/* SPDX-License-Identifier: MIT */
/* Numbers with a point, as bits: this code has no floating-point registers to compute with. */
#ifndef EMUPROBE_TRACE_LANGUAGE_DECIMAL_H
#define EMUPROBE_TRACE_LANGUAGE_DECIMAL_H

#include <stdint.h>

/** The double nearest to @digits / 10^@decimals (at most 19). Context: any. */
uint64_t trace_decimal_f64(uint64_t digits, unsigned int decimals);

/** The float nearest to that. Context: any. */
uint32_t trace_decimal_f32(uint64_t digits, unsigned int decimals);

#endif
