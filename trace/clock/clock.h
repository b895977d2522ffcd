/* SPDX-License-Identifier: MIT */
/* The time of an event: a hit reads a count, which is converted to seconds later. */
#ifndef EMUPROBE_TRACE_CLOCK_CLOCK_H
#define EMUPROBE_TRACE_CLOCK_CLOCK_H

#include <stdint.h>

#include "include/emuprobe.h"
#include "trace/clock/timens.h"

enum trace_clock {
	TRACE_CLOCK_MONOTONIC, /* nanoseconds, by the kernel's function in the vDSO */
	TRACE_CLOCK_TSC,       /* time stamp counter, constant and the same on every processor */
};

/** The better of the two that this machine has. Context: any thread, not in a trap. */
enum trace_clock trace_clock_choose(void);

/** The time namespace that this process is in. Context: TRAP_PATH; some system calls. */
EP_TRAP_PATH void trace_clock_here(struct trace_timens *ret);

/**
 * Find out how the time and the processor's number can be had without a system call. Before that,
 * trace_clock_read() makes some.
 *
 * @reader  trace_clock_here() of who reads the events; NULL: of this process.
 *
 * Context:  once, not in a trap.
 */
void trace_clock_init(const struct trace_timens *reader);

/**
 * A fork may move the child into another time namespace: TRACE_CLOCK_MONOTONIC goes on as the
 * reader's. A sandbox may not allow asking for the namespace; so that is asked only if the distance
 * to the wall clock has changed since the last call of trace_clock_before_fork().
 *
 * Context:  TRAP_PATH; the thread that forks, and the child's only one.
 */
EP_TRAP_PATH void trace_clock_before_fork(void);
EP_TRAP_PATH void trace_clock_after_fork(void);

/** How trace_clock_read() reads @clock, for people. Context: behind trace_clock_init(). */
const char *trace_clock_name(enum trace_clock clock);

/**
 * Now, in units of @clock, and the processor's number.
 * Context:  TRAP_PATH; at most TRACE_VDSO_STACK_MAX bytes of stack.
 */
EP_TRAP_PATH uint64_t trace_clock_read(enum trace_clock clock, uint32_t *ret_cpu);

/** The same without the processor's number, which may be asked of the kernel. Context: as above. */
EP_TRAP_PATH uint64_t trace_clock_now(enum trace_clock clock);

/* Points at which both clocks were read; events lie between the first and the last of points. */
struct trace_clock_map {
	enum trace_clock clock;
	struct trace_clock_point {
		uint64_t count, nanoseconds;
	} points[3], start; /* start: the first that there was */
};

EP_TRAP_PATH void trace_clock_map_init(struct trace_clock_map *map, enum trace_clock clock);

/** Read both clocks again; needed before times since the last call are converted. */
EP_TRAP_PATH void trace_clock_map_update(struct trace_clock_map *map);

/** CLOCK_MONOTONIC nanoseconds of @count. Never decreases as @count grows. */
EP_TRAP_PATH uint64_t trace_clock_convert(const struct trace_clock_map *map, uint64_t count);

/** Nanoseconds that @counts of the clock take, however long ago they began. */
EP_TRAP_PATH uint64_t trace_clock_duration(const struct trace_clock_map *map, uint64_t counts);

#endif
