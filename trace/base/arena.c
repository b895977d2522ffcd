/* SPDX-License-Identifier: MIT */
/*
 * Definitions, names and probes live as long as the program, and are made before its allocator has
 * had a chance to set itself up. So they come from the kernel directly, in chunks.
 */
#include "trace/base/arena.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/mapping.h"

#define CHUNK_SIZE (256ul << 10)
#define ALIGNMENT  16ul

struct trace_arena_chunk {
	struct trace_arena_chunk *next;
	size_t size, used;
	uint64_t unused;
};

_Static_assert(sizeof(struct trace_arena_chunk) % ALIGNMENT == 0, "the first block is misaligned");

static struct trace_arena_chunk *add_chunk(struct trace_arena *arena, size_t wanted)
{
	size_t size = wanted + sizeof(struct trace_arena_chunk);
	struct trace_arena_chunk *chunk;
	long at;

	size = (size + CHUNK_SIZE - 1) / CHUNK_SIZE * CHUNK_SIZE;
	if (arena->limit && (arena->taken > arena->limit || size > arena->limit - arena->taken))
		return NULL;
	at = sys_mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(at))
		return NULL;
	chunk = (struct trace_arena_chunk *)at;
	chunk->next = arena->chunks;
	chunk->size = size;
	chunk->used = sizeof(*chunk);
	arena->chunks = chunk;
	arena->taken += size;
	return chunk;
}

void *trace_arena_alloc(struct trace_arena *arena, size_t size)
{
	struct trace_arena_chunk *chunk = arena->chunks;
	void *ret;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (!chunk || chunk->size - chunk->used < size)
		chunk = add_chunk(arena, size);
	if (!chunk)
		return NULL;
	ret = (char *)chunk + chunk->used;
	chunk->used += size;
	return ret;
}

char *trace_arena_copy(struct trace_arena *arena, const char *text, size_t size)
{
	char *ret = trace_arena_alloc(arena, size + 1);

	if (ret)
		memcpy(ret, text, size);
	return ret;
}

size_t trace_arena_size(const struct trace_arena *arena)
{
	size_t ret = 0;

	for (const struct trace_arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->next)
		ret += chunk->size;
	return ret;
}

void trace_arena_deinit(struct trace_arena *arena)
{
	struct trace_arena_chunk *chunk = arena->chunks;

	while (chunk) {
		struct trace_arena_chunk *next = chunk->next;

		sys_munmap((uint64_t)chunk, chunk->size);
		chunk = next;
	}
	arena->chunks = NULL;
	arena->taken = 0;
}
