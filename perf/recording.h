/* SPDX-License-Identifier: MIT */
/* What the launcher does with a probe that records: the trace layer's own handler and rings. */
#ifndef EMUPROBE_PERF_RECORDING_H
#define EMUPROBE_PERF_RECORDING_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

enum recording_reader {
	RECORDING_NO_READER, /* rings are emptied by recording_drain() alone */
	/* A process of its own, as the launcher is one, takes events out, formats them, and throws
	   the text away; all the time between recording_begin() and recording_drain(). */
	RECORDING_READER,
};

enum recording_kind {
	RECORDING_NONE,
	RECORDING_REGISTERS, /* eight */
	RECORDING_MEMORY,    /* eight words */
	RECORDING_TEXT_16,   /* bytes, with the zero */
	RECORDING_TEXT_200,
	RECORDING_KINDS
};

/**
 * Once, before any probe is made.
 *
 * @ring_size  Bytes of each thread's ring, a power of two.
 * @return     0 or an error code.
 */
int recording_init(enum recording_reader reader, uint32_t threads, uint64_t ring_size);

/** Options of a probe that records: the time, the processor, %rdi and %rsi. */
struct ep_options recording_options(enum ep_plan plan);

/** Of one of calls: %rdi and %rsi at the entry, %rax at the end, and how long it took. */
struct ep_options recording_call_options(enum ep_plan plan);

/** Of one that adds how long calls take to a histogram. */
struct ep_options recording_measure_options(enum ep_plan plan);

/** Let those of recording_measure_options() time one call in @sample, from now on. */
void recording_measure_one_in(uint32_t sample);

/** An event with arguments of that kind, without the hit. */
void recording_none(void);
void recording_registers(void);
void recording_memory(void);
void recording_text_16(void);
void recording_text_200(void);

void recording_begin(void);

/** Empty all rings, and give back those of threads that are gone. Nothing may be recording. */
void recording_drain(void);

/** Events that found no room, so far: there should be none. */
uint64_t recording_dropped(void);

/**
 * What a hit adds to an answer: to a histogram of powers of two, to a linear one, to one of 64 keys that are
 * numbers, or texts of 12 bytes, with a sum. Of a value that is another one each time. Behind
 * recording_init().
 */
void recording_no_answer(void); /* the value alone */
void recording_histogram(void);
void recording_linear(void);
void recording_top(void);
void recording_top_of_texts(void);

/** Which clock that is, and where the processor's number comes from. */
const char *recording_clock_name(void);

/** What reading the clock alone costs: a call as trace_record() makes it. */
void recording_clock(void);

/** The same twice: what measuring a call needs at least. */
void recording_clock_twice(void);

#endif
