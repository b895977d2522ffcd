/* SPDX-License-Identifier: MIT */
/*
 * A thread publishes the site whose handlers it runs, with plain stores; who removes a probe pays for
 * the ordering with a barrier on all threads (probe_thread_wait), so that a hit pays nothing (G5).
 * errno is the program's.
 */
#ifndef EMUPROBE_PROBE_SITE_RUNNING_H
#define EMUPROBE_PROBE_SITE_RUNNING_H

#include <stdatomic.h>
#include <stdint.h>

#include "include/emuprobe.h"
#include "probe/thread/thread.h"
#include "sys/memory.h"

/* Of errno, from the thread pointer: the same in every thread. */
extern int64_t running_errno_offset;

/* Context: once, before the first probe. */
void running_init(void);

SYS_INLINE uint64_t running_load_fs(int64_t offset)
{
	uint64_t ret;

	__asm__ volatile("movq %%fs:(%1), %0" : "=r"(ret) : "r"(offset));
	return ret;
}

SYS_INLINE int running_load_errno(void)
{
	int ret;

	__asm__ volatile("movl %%fs:(%1), %0" : "=r"(ret) : "r"(running_errno_offset));
	return ret;
}

SYS_INLINE void running_store_errno(int value)
{
	__asm__ volatile("movl %0, %%fs:(%1)" : : "r"(value), "r"(running_errno_offset) : "memory");
}

/** @rsp: the program's stack pointer. Returns what errno was, for running_end(). TRAP_PATH. */
SYS_INLINE int running_begin(struct probe_thread *thread, struct probe_site *site, uint64_t rsp)
{
	thread->running_rsp = rsp;
	atomic_store_explicit(&thread->running, site, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	return running_load_errno();
}

/** @outer: the site that it goes on with; NULL: none. TRAP_PATH. */
SYS_INLINE void running_end(struct probe_thread *thread, int error, struct probe_site *outer)
{
	atomic_store_explicit(&thread->calls, thread->calls + 1, memory_order_relaxed);
	atomic_store_explicit(&thread->running, outer, memory_order_release);
	if (error != running_load_errno())
		running_store_errno(error);
}

#endif
