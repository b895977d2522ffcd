/* SPDX-License-Identifier: MIT */
/* Time namespaces: by how much one process's CLOCK_MONOTONIC is ahead of another's. */
#ifndef EMUPROBE_TRACE_CLOCK_TIMENS_H
#define EMUPROBE_TRACE_CLOCK_TIMENS_H

#include <stdint.h>

#include "include/emuprobe.h"

/* A time namespace, as a process in it saw it. */
struct trace_timens {
	uint64_t id;	   /* 0: the kernel has none, or does not say */
	uint64_t is_known; /* whether the offset is */
	int64_t offset;	   /* nanoseconds that it adds to CLOCK_MONOTONIC */
	int64_t wall;	   /* CLOCK_REALTIME less its CLOCK_MONOTONIC, when that was looked at */
};

/**
 * The time namespace that this process is in, all but @ret->wall.
 * Context:  TRAP_PATH; a few system calls.
 */
EP_TRAP_PATH void trace_timens_look(struct trace_timens *ret);

/** Nanoseconds to add to the clock of @here to have that of @there. Context: TRAP_PATH. */
EP_TRAP_PATH int64_t trace_timens_between(const struct trace_timens *here,
					  const struct trace_timens *there);

#endif
