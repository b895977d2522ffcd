/* SPDX-License-Identifier: MIT */
/*
 * Files, without libc: other preloaded libraries put themselves in front of open(), fstat(), ... and set
 * themselves up when they are first called, which must not be before libc has set up the environment;
 * and probes may stand there. All return a negative errno on failure. TRAP_PATH.
 */
#ifndef EMUPROBE_SYS_FILES_H
#define EMUPROBE_SYS_FILES_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

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

SYS_FILES_CALL long sys_write(int fd, const void *data, size_t size)
{
	return sys3(SYS_write, fd, data, size);
}

SYS_FILES_CALL long sys_pread(int fd, void *ret, size_t size, uint64_t at)
{
	return sys4(SYS_pread64, fd, ret, size, at);
}

SYS_FILES_CALL bool sys_exists(const char *path)
{
	return sys3(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
}

/* Its size, without a zero behind it. */
SYS_FILES_CALL long sys_readlink(const char *path, char *ret, size_t size)
{
	return sys4(SYS_readlinkat, AT_FDCWD, path, ret, size);
}

/* Of this process, with a zero behind it. */
SYS_FILES_CALL bool sys_getcwd(char *ret, size_t size)
{
	return sys2(SYS_getcwd, ret, size) > 0;
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
