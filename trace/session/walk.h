/* SPDX-License-Identifier: MIT */
/*
 * Lists in the session may be rings, where the program has scribbled. One is found in as many steps as
 * it has, or twice that: Brent's algorithm.
 */
#ifndef EMUPROBE_TRACE_SESSION_WALK_H
#define EMUPROBE_TRACE_SESSION_WALK_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: a walk that begins. */
struct trace_walk {
	uint64_t mark; /* where it was, some time ago */
	uint64_t steps, limit;
};

/** Has the walk been at @at before? It is there now; 0 is no place. */
static inline __attribute__((always_inline)) bool trace_walk_is_ring(struct trace_walk *walk,
								     uint64_t at)
{
	if (at == walk->mark)
		return true;
	if (walk->steps++ == walk->limit) {
		walk->mark = at;
		walk->limit = 2 * walk->limit + 1;
		walk->steps = 0;
	}
	return false;
}

#endif
