/* SPDX-License-Identifier: MIT */
/* Mapping memory without libc: code memory is wanted for probes on mmap() itself. */
#ifndef EMUPROBE_FALLBACK_XOL_MAPPING_H
#define EMUPROBE_FALLBACK_XOL_MAPPING_H

#include <stddef.h>
#include <stdint.h>

#include "x86/syscall.h"

/* The address, or a negative errno. */
static inline long xol_mmap(uint64_t addr, size_t size, int protection, int flags, int fd,
			    uint64_t offset)
{
	return x86_syscall(SYS_mmap, (long)addr, (long)size, protection, flags, fd, (long)offset);
}

static inline long xol_munmap(uint64_t addr, size_t size)
{
	return x86_syscall(SYS_munmap, (long)addr, (long)size, 0, 0, 0, 0);
}

#endif
