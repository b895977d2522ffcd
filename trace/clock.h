/* SPDX-License-Identifier: MIT */
/* Time of an event: one instruction in the trap, seconds afterwards. */
#ifndef EMUPROBE_TRACE_CLOCK_H
#define EMUPROBE_TRACE_CLOCK_H

#include <stdint.h>

#include "include/emuprobe.h"

enum trace_clock {
	TRACE_CLOCK_MONOTONIC, /* nanoseconds, by a system call */
	TRACE_CLOCK_TSC,       /* time stamp counter, constant and the same on every processor */
	TRACE_CLOCK_TSC_RDPID, /* the same, where the processor has rdpid */
};

/** The better of the two that this machine has. Context: any thread. */
enum trace_clock trace_clock_choose(void);

/** Now, in units of @clock, and the processor's number. Context: TRAP_PATH. */
EP_TRAP_PATH uint64_t trace_clock_read(enum trace_clock clock, uint32_t *ret_cpu);

/* Points at which both clocks were read; events lie between the first and the last. */
struct trace_clock_map {
	enum trace_clock clock;
	struct trace_clock_point {
		uint64_t count, nanoseconds;
	} points[3];
};

EP_TRAP_PATH void trace_clock_map_init(struct trace_clock_map *map, enum trace_clock clock);

/** Read both clocks again; needed before times since the last call are converted. */
EP_TRAP_PATH void trace_clock_map_update(struct trace_clock_map *map);

/** CLOCK_MONOTONIC nanoseconds of @count. Never decreases as @count grows. */
EP_TRAP_PATH uint64_t trace_clock_convert(const struct trace_clock_map *map, uint64_t count);

#endif
