/* SPDX-License-Identifier: MIT */
/* Mapping memory without libc: code memory is wanted for probes on mmap() itself. */
#ifndef EMUPROBE_SYS_MAPPING_H
#define EMUPROBE_SYS_MAPPING_H

#include <stddef.h>
#include <stdint.h>

#include "sys/call.h"

/* The address, or a negative errno. */
static inline long sys_mmap(uint64_t addr, size_t size, int protection, int flags, int fd,
			    uint64_t offset)
{
	return sys6(SYS_mmap, (long)addr, (long)size, protection, flags, fd, (long)offset);
}

static inline long sys_munmap(uint64_t addr, size_t size)
{
	return sys6(SYS_munmap, (long)addr, (long)size, 0, 0, 0, 0);
}

#endif
