/* SPDX-License-Identifier: MIT */
/*
 * Readers in a trap may hold a pointer to a record for as long as they like, so records are never
 * freed, and a bump allocator is all it takes. Not malloc(): that may be the probed function.
 */
#include "fallback-xol/arena.h"

#include <stdint.h>
#include <sys/mman.h>

#include "sys/mapping.h"

#define PIECE ((size_t)256 << 10)

static uint64_t next, end;
static size_t reserved;

static uint64_t map(size_t size)
{
	long at = sys_mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at < 0)
		return 0;
	reserved += size;
	return (uint64_t)at;
}

void *xol_arena_alloc(size_t size)
{
	size = (size + 15) & ~(size_t)15;
	if (size >= PIECE)
		return (void *)map((size + 4095) & ~(size_t)4095);
	if (!next || size > end - next) {
		uint64_t piece = map(PIECE);

		if (!piece)
			return NULL;
		next = piece;
		end = piece + PIECE;
	}
	next += size;
	return (void *)(next - size);
}

size_t xol_arena_reserved(void)
{
	return reserved;
}
