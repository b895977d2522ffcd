/* SPDX-License-Identifier: MIT */
/* Mapping memory without libc: it is wanted for probes on mmap() itself. TRAP_PATH. */
#ifndef EMUPROBE_SYS_MAPPING_H
#define EMUPROBE_SYS_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/call.h"

#define SYS_MAPPING_CALL static inline __attribute__((always_inline))

/* Is that a negative errno, not an address? */
SYS_MAPPING_CALL bool sys_failed(long ret)
{
	return (unsigned long)ret > -4096ul;
}

/* The address, or a negative errno. */
SYS_MAPPING_CALL long sys_mmap(uint64_t addr, size_t size, int protection, int flags, int fd,
			       uint64_t offset)
{
	return sys6(SYS_mmap, (long)addr, (long)size, protection, flags, fd, (long)offset);
}

SYS_MAPPING_CALL long sys_munmap(uint64_t addr, size_t size)
{
	return sys6(SYS_munmap, (long)addr, (long)size, 0, 0, 0, 0);
}

SYS_MAPPING_CALL long sys_madvise(uint64_t addr, size_t size, int advice)
{
	return sys6(SYS_madvise, (long)addr, (long)size, advice, 0, 0, 0);
}

#endif
