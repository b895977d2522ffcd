/* SPDX-License-Identifier: MIT */
/*
 * How often which call stack led to an event: a table for each process, in the session's heap, so that it
 * outlives the program. All of a process's threads add to the same one.
 */
#ifndef EMUPROBE_TRACE_SESSION_STACKS_H
#define EMUPROBE_TRACE_SESSION_STACKS_H

#include "trace/session/memory.h"

#define TRACE_STACK_MAX	  16384u /* different stacks of a process; further ones are counted as lost */
#define TRACE_STACK_SLOTS (2 * TRACE_STACK_MAX) /* a power of two */
#define TRACE_STACK_TRIES 64u			/* slots that are looked at for one */

/* One of them; in a heap. */
struct trace_stack {
	_Atomic uint64_t count;
	uint64_t time; /* of the session's clock, when it was first seen: what was loaded then */
	uint64_t hash;
	uint32_t probe;	 /* index in the process's table */
	uint16_t depth;	 /* of .frames */
	uint16_t is_cut; /* there are more behind the last */
	uint64_t frames
		[]; /* from the hit outwards: addresses that calls return to, but for the first */
};

struct trace_stack_table {
	_Atomic uint64_t lost;	/* hits whose stack has no place */
	_Atomic uint32_t count; /* of stacks, those included for which there was no place */
	uint32_t unused[13];
	/* Where they are, in units of 64 bytes from the beginning of the process's heap; 0: free. */
	_Atomic uint32_t slots[TRACE_STACK_SLOTS];
};

/**
 * The table of the process with entry @process, which is this one: made where it has none.
 *
 * @return   NULL: there is no memory.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH struct trace_stack_table *trace_stacks_table(const struct trace_session *session,
							  uint32_t process);

/**
 * Count a stack.
 *
 * @heap    Of this process.
 * @frames  @depth of them, TRACE_STACK_DEPTH_MAX at most.
 *
 * Context: TRAP_PATH; lock-free. A system call where more of the heap has to be mapped.
 */
EP_TRAP_PATH void trace_stacks_add(const struct trace_memory *heap, struct trace_stack_table *table,
				   uint32_t probe, const uint64_t *frames, uint32_t depth,
				   bool is_cut);

/** In the child of a fork, whose memory is its own: it begins anew. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_stacks_clear(struct trace_process *process);

/**
 * The stacks of @process, an index, one after the other, believing nothing that stands in the session.
 *
 * @each      Called with a copy.
 * @ret_lost  Hits that have none.
 * Context:   any thread.
 */
void trace_stacks_read(const struct trace_session *session, uint64_t process,
		       void (*each)(const struct trace_stack *stack, void *data), void *data,
		       uint64_t *ret_lost);

/** How deep stacks of @event are wanted; 0: not at all. Context: any. */
uint32_t trace_stacks_depth(const struct trace_shared *shared, const char *event);

#endif
