/* SPDX-License-Identifier: MIT */
/*
 * To be preloaded. Like libfaketime and others of its kind it stands in front of functions of libc, and
 * looks for its setting when the first of them is called: before its constructor, that is too early. It
 * says at the end what was called by then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *setting, *early;
static int asked, constructed;

static long ask(const char *name, long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	if (!asked)
		setting = environ ? getenv("EARLY_SETTING") : NULL;
	asked = 1;
	if (!constructed && !early)
		early = name;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	if (ret > -4096 && ret < 0) {
		errno = (int)-ret;
		ret = -1;
	}
	return ret;
}

/* Under another name here, since libc declares it otherwise. */
#define STAND_IN(name, nr)                                                                         \
	long early_##name(long a, long b, long c, long d, long e, long f) __asm__(#name);          \
	long early_##name(long a, long b, long c, long d, long e, long f)                          \
	{                                                                                          \
		return ask(#name, nr, a, b, c, d, e, f);                                           \
	}

STAND_IN(access, SYS_access)
STAND_IN(clock_gettime, SYS_clock_gettime)
STAND_IN(close, SYS_close)
STAND_IN(fstat, SYS_fstat)
STAND_IN(ftruncate, SYS_ftruncate)
STAND_IN(getpid, SYS_getpid)
STAND_IN(getppid, SYS_getppid)
STAND_IN(madvise, SYS_madvise)
STAND_IN(memfd_create, SYS_memfd_create)
STAND_IN(mmap, SYS_mmap)
STAND_IN(mprotect, SYS_mprotect)
STAND_IN(munmap, SYS_munmap)
STAND_IN(open, SYS_open)
STAND_IN(openat, SYS_openat)
STAND_IN(prctl, SYS_prctl)
STAND_IN(pread, SYS_pread64)
STAND_IN(read, SYS_read)
STAND_IN(readlink, SYS_readlink)
STAND_IN(stat, SYS_stat)
STAND_IN(write, SYS_write)

long early_syscall(long nr, long a, long b, long c, long d, long e, long f) __asm__("syscall");
long early_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	return ask("syscall", nr, a, b, c, d, e, f);
}

__attribute__((constructor)) static void construct(void)
{
	constructed = 1;
}

__attribute__((destructor)) static void say(void)
{
	static const char *texts[5] = {"early: ", NULL, ", setting ", NULL, "\n"};

	if (!asked)
		setting = getenv("EARLY_SETTING");
	texts[1] = early ? early : "nothing";
	texts[3] = setting ? setting : "lost";
	for (int i = 0; i < 5; i++)
		ask("write", SYS_write, STDOUT_FILENO, (long)texts[i], (long)strlen(texts[i]), 0, 0,
		    0);
}
