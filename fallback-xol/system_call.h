/* SPDX-License-Identifier: MIT */
/*
 * System calls without libc: code memory is wanted for probes on mmap() or read() themselves, and
 * what the engine does should not count as hits of the program. A negative errno on failure.
 */
#ifndef EMUPROBE_FALLBACK_XOL_SYSTEM_CALL_H
#define EMUPROBE_FALLBACK_XOL_SYSTEM_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "x86/syscall.h"

#define xol_system_call x86_syscall

/* The address, or a negative errno. */
static inline long xol_mmap(uint64_t addr, size_t size, int protection, int flags, int fd,
			    uint64_t offset)
{
	return xol_system_call(SYS_mmap, (long)addr, (long)size, protection, flags, fd,
			       (long)offset);
}

static inline long xol_munmap(uint64_t addr, size_t size)
{
	return xol_system_call(SYS_munmap, (long)addr, (long)size, 0, 0, 0, 0);
}

#endif
