/* SPDX-License-Identifier: MIT */
/* Which parts of a session a probed process has in its memory: those that it uses. */
#ifndef EMUPROBE_TRACE_SESSION_PARTS_H
#define EMUPROBE_TRACE_SESSION_PARTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

struct trace_layout;

/* From @start of the session on; all of it would be @size bytes. */
struct trace_part {
	uint64_t start, size;
	uint64_t step;		 /* what is added is a multiple of this */
	_Atomic uint64_t mapped; /* no more than it is: a fork may have come in between */
	_Atomic uint64_t asked;	 /* the most that anybody has tried to have mapped */
};

struct trace_parts {
	struct trace_part rings, processes, heap;
	int file; /* open while the process starts, else -1 */
};

/**
 * Map the header of a session, and the beginnings of its tables.
 *
 * @fd       Of the session; -1: private memory, all zero.
 * @ret      In memory that is this process's alone. The heap is not mapped, see below.
 *
 * @return   Where the session begins; NULL: there is no memory.
 * Context:  any thread.
 */
void *trace_parts_map(int fd, const struct trace_layout *layout, struct trace_parts **ret);

/** Map the beginning of heap @index. @return false: there is no memory. Context: any thread. */
bool trace_parts_map_heap(void *base, struct trace_parts *parts, const struct trace_layout *layout,
			  uint32_t index);

/** Unmap all of it, and @parts. Context: nobody uses it any more. */
void trace_parts_unmap(void *base, struct trace_parts *parts, const struct trace_layout *layout);

/**
 * Have the first @end bytes of @part mapped.
 *
 * @return   false: there is no memory, or the part is not as large.
 * Context:  TRAP_PATH; a system call where it has to grow.
 */
EP_TRAP_PATH bool trace_parts_reach(const void *base, struct trace_part *part, uint64_t end);

#endif
