/* SPDX-License-Identifier: MIT */
/*
 * Which bucket of a log-linear histogram a value falls into: each power of two is an octave of 16
 * buckets of the same width.
 *
 *	octave 0	0, 1, ... 15		exactly
 *	octave 1	16, 17, ... 31		exactly
 *	octave 2	32, 34, ... 62		two values each
 *	octave o	(16 + i) << (o - 1)	2^(o - 1) values each
 *
 * So a bucket is at most 1/16 of its least value wide, and its middle at most 1/32 away from any value
 * in it. Values are below 2^63; what is more counts as that.
 */
#ifndef EMUPROBE_TRACE_SESSION_BUCKETS_H
#define EMUPROBE_TRACE_SESSION_BUCKETS_H

#include <stdint.h>

#define TRACE_OCTAVES	     60u
#define TRACE_OCTAVE_BUCKETS 16u
#define TRACE_DURATION_MAX   INT64_MAX

#define TRACE_BUCKETS_CALL static inline __attribute__((always_inline))

TRACE_BUCKETS_CALL uint32_t trace_octave_of(uint64_t value)
{
	return value < TRACE_OCTAVE_BUCKETS ? 0 : 60 - (uint32_t)__builtin_clzll(value);
}

/** Of a value in @octave. */
TRACE_BUCKETS_CALL uint32_t trace_bucket_of(uint64_t value, uint32_t octave)
{
	return (uint32_t)(value >> (octave ? octave - 1 : 0)) % TRACE_OCTAVE_BUCKETS;
}

/** The least value of a bucket; of the 16th, that of the next octave. */
TRACE_BUCKETS_CALL uint64_t trace_bucket_low(uint32_t octave, uint32_t bucket)
{
	return octave ? (uint64_t)(TRACE_OCTAVE_BUCKETS + bucket) << (octave - 1) : bucket;
}

#endif
