/* SPDX-License-Identifier: MIT */
/*
 * A locked addition costs more than all else that a counted hit does, and does not scale. So each
 * thread has blocks of counters of its own, found through a small table in static TLS, and who
 * wants to know a count adds them up. A block outlives its thread with what it counted, and is
 * taken over by the next thread that needs one of that kind.
 *
 *	%fs:counters_table[group] -> block: | header | counter 0 | counter 1 | ...
 *
 * NULL in the table sends the thread to the slow road, where it gets a block; while it is busy
 * with the engine's own work the table is empty, and the slow road counts nothing. The table is filled
 * again from the list of the thread's blocks: what is in TLS is missing on every thread's stack.
 */
#include "probe/thread/counters.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "include/counting.h"
#include "probe/thread/legacy.h"
#include "probe/thread/thread.h"
#include "sys/call.h"
#include "sys/mapping.h"
#include "sys/process.h"

#define NOBODY                                                                                     \
	(1ull << 32) /* no thread's: owners have no process's ID, and so this one is never dead */

_Static_assert(EP_COUNTERS_PER_BLOCK *COUNTERS_GROUPS == 131072, "as documented");

struct counters_block {
	struct legacy legacy;
	_Atomic(struct counters_block *) own_next; /* of the same thread */
	uint32_t group;
	uint32_t reserved[9];
	_Atomic uint64_t counters[EP_COUNTERS_PER_BLOCK];
};

_Static_assert(offsetof(struct counters_block, counters) == EP_COUNTER_BLOCK_HEADER,
	       "as documented");

__thread struct counters_block *counters_table[COUNTERS_GROUPS];
static __thread struct counters_block *own_blocks;
static __thread bool paused;

static struct legacies blocks[COUNTERS_GROUPS];
static ep_counter_memory source;
static void *source_data;

/* Counters that were given back, linked through this table, which the first one makes. */
static uint32_t *free_next;
static uint32_t free_head = COUNTERS_NONE, used_count;

/* ---- counters ------------------------------------------------------------------------------ */

static bool make_free_list(void)
{
	size_t bytes = COUNTERS_GROUPS * EP_COUNTERS_PER_BLOCK * sizeof(free_next[0]);
	long at = sys_mmap(0, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	free_next = at < 0 ? NULL : (uint32_t *)at;
	return free_next;
}

uint32_t counters_alloc(void)
{
	uint32_t counter = free_head;

	if (counter != COUNTERS_NONE) {
		free_head = free_next[counter];
		return counter;
	}
	return used_count < COUNTERS_GROUPS * EP_COUNTERS_PER_BLOCK ? used_count++ : COUNTERS_NONE;
}

EP_TRAP_PATH static struct counters_block *first_of(uint32_t counter)
{
	return (struct counters_block *)atomic_load(&blocks[counter / EP_COUNTERS_PER_BLOCK].first);
}

EP_TRAP_PATH static struct counters_block *next_of(const struct counters_block *block)
{
	return (struct counters_block *)block->legacy.next;
}

static void clear(uint32_t counter)
{
	uint32_t i = counter % EP_COUNTERS_PER_BLOCK;

	for (struct counters_block *block = first_of(counter); block; block = next_of(block))
		atomic_store_explicit(&block->counters[i], 0, memory_order_relaxed);
}

void counters_free(uint32_t counter)
{
	clear(counter);
	if (!free_next && !make_free_list())
		return; /* it stays taken */
	free_next[counter] = free_head;
	free_head = counter;
}

EP_TRAP_PATH uint64_t counters_sum(uint32_t counter)
{
	uint32_t i = counter % EP_COUNTERS_PER_BLOCK;
	uint64_t sum = 0;

	if (counter == COUNTERS_NONE)
		return 0;
	for (struct counters_block *block = first_of(counter); block; block = next_of(block))
		sum += atomic_load_explicit(&block->counters[i], memory_order_relaxed);
	return sum;
}

/* ---- blocks -------------------------------------------------------------------------------- */

EP_TRAP_PATH static void *allocate(uint32_t group)
{
	long memory;

	if (source)
		return source(group * EP_COUNTERS_PER_BLOCK, sizeof(struct counters_block),
			      source_data);
	memory = sys6(SYS_mmap, 0, sizeof(struct counters_block), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory < 0 ? NULL : (void *)memory;
}

EP_TRAP_PATH static struct counters_block *create_block(uint32_t group, uint64_t owner)
{
	struct counters_block *block = allocate(group);

	if (!block)
		return NULL;
	block->group = group;
	legacy_add(&blocks[group], &block->legacy, owner);
	return block;
}

EP_TRAP_PATH static struct counters_block *next_own(const struct counters_block *block)
{
	return atomic_load_explicit(&block->own_next, memory_order_relaxed);
}

/*
 * A signal handler may have got the same block in between, hence the look; one that gets another while this
 * one is linked may take that out of the list, and the thread gets it, or a new one, once more.
 */
EP_TRAP_PATH static void remember(struct counters_block *block)
{
	struct counters_block *first = own_blocks;

	__asm__ volatile("" : "+r"(first)); /* read once: a handler may put @block in front of it */
	for (struct counters_block *own = first; own; own = next_own(own))
		if (own == block)
			return;
	atomic_store_explicit(&block->own_next, first, memory_order_relaxed);
	own_blocks = block;
}

EP_TRAP_PATH static struct counters_block *own_block(uint32_t group)
{
	struct counters_block *block = counters_table[group];
	uint32_t tid;

	if (block)
		return block;
	if (probe_thread_is_guest()) {
		/* It takes its parent's threads for dead; and the one whose place it has goes on in
		   the block when it is dead itself. */
		block = create_block(group, NOBODY);
	} else {
		tid = (uint32_t)sys0(SYS_gettid);
		block = (struct counters_block *)legacy_take(&blocks[group], tid);
		if (!block)
			block = create_block(group, tid);
	}
	counters_table[group] = block;
	if (block)
		remember(block);
	return block;
}

EP_TRAP_PATH bool counters_add_slow(uint32_t counter)
{
	if (paused)
		return true;
	return own_block(counter / EP_COUNTERS_PER_BLOCK) && counters_add(counter);
}

EP_TRAP_PATH uint64_t *counters_find(uint32_t counter)
{
	struct counters_block *block = NULL;

	if (counter != COUNTERS_NONE && !paused)
		block = own_block(counter / EP_COUNTERS_PER_BLOCK);
	return block ? (uint64_t *)&block->counters[counter % EP_COUNTERS_PER_BLOCK] : NULL;
}

struct counters_where counters_where(uint32_t counter)
{
	char *thread_pointer;

	__asm__("mov %%fs:0, %0" : "=r"(thread_pointer));
	return (struct counters_where){
		.thread_offset =
			(int32_t)((char *)&counters_table[counter / EP_COUNTERS_PER_BLOCK] -
				  thread_pointer),
		.offset = (int32_t)(EP_COUNTER_BLOCK_HEADER +
				    counter % EP_COUNTERS_PER_BLOCK * sizeof(uint64_t)),
	};
}

void counters_use_memory(ep_counter_memory alloc, void *data)
{
	for (uint32_t i = 0; i < COUNTERS_GROUPS; i++) {
		counters_table[i] = NULL;
		blocks[i] = (struct legacies){.first = NULL};
	}
	own_blocks = NULL;
	source = alloc;
	source_data = data;
}

void counters_pause(bool pause)
{
	if (pause == paused)
		return;
	paused = pause;
	for (uint32_t i = 0; i < COUNTERS_GROUPS; i++)
		counters_table[i] = NULL;
	for (struct counters_block *block = pause ? NULL : own_blocks; block;
	     block = next_own(block))
		counters_table[block->group] = block;
}

void counters_follow_fork(void)
{
	uint32_t tid = (uint32_t)sys0(SYS_gettid);

	for (struct counters_block *block = own_blocks; block; block = next_own(block))
		atomic_store_explicit(&block->legacy.owner, tid, memory_order_relaxed);
}
