/* SPDX-License-Identifier: MIT */
/* Not asked of the kernel each time: a sandbox may forbid munlock(2). */
#include "sys/locked.h"

#include <stdatomic.h>

#include "sys/call.h"

static atomic_bool is_locked;

EP_TRAP_PATH void sys_note_mlockall(void)
{
	atomic_store_explicit(&is_locked, true, memory_order_relaxed);
}

EP_TRAP_PATH void sys_unlock(uint64_t at, uint64_t size)
{
	if (atomic_load_explicit(&is_locked, memory_order_relaxed))
		sys2(SYS_munlock, at, size);
}
