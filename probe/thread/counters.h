/* SPDX-License-Identifier: MIT */
/*
 * Counters of hits: each thread has its own, so that counting is one addition, without a lock.
 */
#ifndef EMUPROBE_PROBE_THREAD_COUNTERS_H
#define EMUPROBE_PROBE_THREAD_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "include/counting.h"

#define COUNTERS_NONE UINT32_MAX

/**
 * A counter that is zero in all threads.
 *
 * @return   COUNTERS_NONE: all 131,072 are taken.
 * Context:  engine lock held.
 */
uint32_t counters_alloc(void);

/**
 * Free @counter for counters_alloc().
 * Context:  engine lock held; no thread counts with it any more, not even one that has just begun.
 */
void counters_free(uint32_t counter);

#define COUNTERS_GROUPS 32u

/* A thread's blocks, NULL where it has none yet, or must not count. */
extern __thread struct counters_block *counters_table[COUNTERS_GROUPS];

/** The calling thread's; NULL: there is no memory for it, or it must not count. TRAP_PATH, as below. */
EP_TRAP_PATH uint64_t *counters_find(uint32_t counter);

/* The slow path of counters_add(). TRAP_PATH; a system call at a thread's first use. */
EP_TRAP_PATH bool counters_add_slow(uint32_t counter);

/**
 * Add one in the calling thread. One instruction adds, so that a signal handler of the same thread
 * may count in between.
 *
 * @return   false: there is no memory for this thread's counters, or no such counter.
 * Context:  TRAP_PATH.
 */
static inline __attribute__((always_inline)) bool counters_add(uint32_t counter)
{
	char *block;

	if (__builtin_expect(counter == COUNTERS_NONE, 0))
		return false;
	block = (char *)counters_table[counter / EP_COUNTERS_PER_BLOCK];
	if (__builtin_expect(!block, 0))
		return counters_add_slow(counter);
	__asm__ volatile("incq %0"
			 : "+m"(*(uint64_t *)(void *)(block + EP_COUNTER_BLOCK_HEADER +
						      counter % EP_COUNTERS_PER_BLOCK * 8))
			 :
			 : "cc");
	return true;
}

/** The sum over all threads, those that have ended too. Context: TRAP_PATH. */
EP_TRAP_PATH uint64_t counters_sum(uint32_t counter);

/*
 * For code that counts by itself:
 *	mov %fs:thread_offset, %rcx
 *	if (%rcx) incq offset(%rcx) else call counters_add()
 */
struct counters_where {
	int32_t thread_offset; /* from the thread pointer */
	int32_t offset;
};
struct counters_where counters_where(uint32_t counter);

/**
 * From now on threads' counters lie in memory that @alloc gives; counts made so far are forgotten
 * here. NULL: in private memory.
 * Context:  engine lock held; in a process with one thread, a forked child say.
 */
void counters_use_memory(ep_counter_memory alloc, void *data);

/**
 * Until the next call with false, what the calling thread does is not counted.
 * Context:  any thread, signals blocked.
 */
void counters_pause(bool pause);

/**
 * The only thread of a child of fork() has the blocks of the thread that it was, under an ID of its own.
 * Context:  that thread, before there is another one.
 */
void counters_follow_fork(void);

#endif
