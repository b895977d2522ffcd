/* SPDX-License-Identifier: MIT */
/*
 * Files, without libc: other preloaded libraries put themselves in front of open(), fstat(), ... and set
 * themselves up when they are first called, which must not be before libc has set up the environment;
 * and probes may stand there. All return a negative errno on failure. TRAP_PATH.
 */
#ifndef EMUPROBE_SYS_FILES_H
#define EMUPROBE_SYS_FILES_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "sys/call.h"

#define SYS_FILES_CALL static inline __attribute__((always_inline))

SYS_FILES_CALL int sys_open(const char *path, int flags)
{
	return (int)sys4(SYS_openat, AT_FDCWD, path, flags, 0666);
}

SYS_FILES_CALL void sys_close(int fd)
{
	sys1(SYS_close, fd);
}

SYS_FILES_CALL long sys_read(int fd, void *ret, size_t size)
{
	return sys3(SYS_read, fd, ret, size);
}

SYS_FILES_CALL long sys_pread(int fd, void *ret, size_t size, uint64_t at)
{
	return sys4(SYS_pread64, fd, ret, size, at);
}

/* The kernel's struct stat is libc's, on x86-64. */
SYS_FILES_CALL int sys_fstat(int fd, struct stat *ret)
{
	return (int)sys2(SYS_fstat, fd, ret);
}

SYS_FILES_CALL int sys_stat(const char *path, struct stat *ret)
{
	return (int)sys2(SYS_stat, path, ret);
}

#endif
