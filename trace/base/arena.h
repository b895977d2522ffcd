/* SPDX-License-Identifier: MIT */
/* Memory that is given back all at once. */
#ifndef EMUPROBE_TRACE_BASE_ARENA_H
#define EMUPROBE_TRACE_BASE_ARENA_H

#include <stddef.h>

struct trace_arena {
	struct trace_arena_chunk *chunks;
	size_t taken, limit; /* bytes that it has, and may have; 0: no limit */
};

/**
 * Zeroed memory, aligned for anything, that lives as long as the arena.
 *
 * @return   NULL where there is none.
 * Context:  any thread; not concurrently for one arena.
 */
void *trace_arena_alloc(struct trace_arena *arena, size_t size);

/** A copy of @size bytes, with a zero behind them; NULL where there is no memory. */
char *trace_arena_copy(struct trace_arena *arena, const char *text, size_t size);

/** How much memory it holds, in bytes. */
size_t trace_arena_size(const struct trace_arena *arena);

void trace_arena_deinit(struct trace_arena *arena);

#endif
