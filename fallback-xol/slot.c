/* SPDX-License-Identifier: MIT */
/*
 * A signal handler must find out, without waiting for anyone, whether an address is in a slot and
 * what the slot is a copy of. Slots are made of cells of 32 bytes in blocks of 16 KiB, aligned:
 *
 *	rip -> block number -> table of blocks -> cell -> struct xol_slot
 *
 * Nothing is ever removed, so readers need no protection: a block is published after its contents,
 * a cell after its record.
 */
#include "fallback-xol/slot.h"

#include <stdatomic.h>

#include "fallback-xol/arena.h"
#include "sys/table.h"

#define BLOCK_SHIFT 14
#define BLOCK_SIZE  ((size_t)1 << BLOCK_SHIFT)
#define BLOCK_CELLS (BLOCK_SIZE / XOL_CELL)

struct block {
	struct xol_code code;
	struct block *next; /* of those with room */
	size_t used;	    /* cells */
	uint64_t generation;
	_Atomic(const struct xol_slot *) cells[BLOCK_CELLS];
};

static struct sys_table blocks = {.alloc = xol_arena_alloc}; /* by address >> BLOCK_SHIFT */
static struct block *open_blocks;

/* ---- lookup -------------------------------------------------------------------------------- */

EP_TRAP_PATH static struct block *block_find(uint64_t address)
{
	return (struct block *)sys_table_find(&blocks, address >> BLOCK_SHIFT);
}

EP_TRAP_PATH const struct xol_slot *xol_slot_find(uint64_t rip)
{
	struct block *block = block_find(rip);

	if (!block)
		return NULL;
	return atomic_load_explicit(&block->cells[rip % BLOCK_SIZE / XOL_CELL],
				    memory_order_acquire);
}

void xol_slot_publish(const struct xol_slot *slot)
{
	for (uint64_t at = slot->rx; at < slot->rx + slot->size; at += XOL_CELL) {
		struct block *block = block_find(at);

		atomic_store_explicit(&block->cells[at % BLOCK_SIZE / XOL_CELL], slot,
				      memory_order_release);
	}
}

/* ---- blocks -------------------------------------------------------------------------------- */

static int block_create(struct sys_window window, uint64_t near, struct block **ret)
{
	struct block *block = xol_arena_alloc(sizeof(*block));
	int error;

	if (!block)
		return -EP_NO_MEMORY;
	error = xol_code_alloc_in(window, near, BLOCK_SIZE, BLOCK_SIZE, &block->code);
	if (error)
		return error;
	block->generation = xol_code_generation();
	error = sys_table_put(&blocks, block->code.rx >> BLOCK_SHIFT, (uint64_t)block);
	if (error)
		return error;
	block->next = open_blocks;
	open_blocks = block;
	*ret = block;
	return 0;
}

/* ---- slots --------------------------------------------------------------------------------- */

static int take(struct block *block, struct sys_window window, size_t cells, struct xol_code *ret)
{
	uint64_t offset = block->used * XOL_CELL, rx = block->code.rx + offset;

	if (cells > BLOCK_CELLS - block->used)
		return -EP_OUT_OF_REACH;
	if (rx < window.lo || rx + cells * XOL_CELL > window.hi)
		return -EP_OUT_OF_REACH;
	block->used += cells;
	*ret = (struct xol_code){.rx = rx, .rw = block->code.rw + offset};
	return 0;
}

/*
 * Blocks with no room for @cells belong to the past, unless there is quite some room left, and so
 * do those of the parent of a fork: they are not looked at again.
 */
static void close_blocks(uint64_t generation, size_t cells)
{
	struct block **link = &open_blocks;

	while (*link) {
		size_t left = BLOCK_CELLS - (*link)->used;

		if ((left < cells && left < BLOCK_CELLS / 32) || (*link)->generation != generation)
			*link = (*link)->next;
		else
			link = &(*link)->next;
	}
}

int xol_slot_alloc(struct sys_window window, uint64_t near, size_t size, struct xol_code *ret)
{
	size_t cells = (size + XOL_CELL - 1) / XOL_CELL;
	struct block *block;
	int error;

	close_blocks(xol_code_generation(), cells);
	for (block = open_blocks; block; block = block->next)
		if (!take(block, window, cells, ret))
			return 0;
	error = block_create(window, near, &block);
	return error ? error : take(block, window, cells, ret);
}
