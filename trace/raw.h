/* SPDX-License-Identifier: MIT */
/* System calls without libc, whose functions may be probed and which sets errno. */
#ifndef EMUPROBE_TRACE_RAW_H
#define EMUPROBE_TRACE_RAW_H

#include <sys/syscall.h>

/** Returns what the kernel does: a negative errno on failure. Context: TRAP_PATH. */
static inline __attribute__((always_inline)) long raw_syscall(long number, long a, long b, long c,
							      long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#endif
