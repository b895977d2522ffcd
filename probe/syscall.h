/* SPDX-License-Identifier: MIT */
/*
 * System calls without libc: what runs in a trap may not call functions that can be probed, and
 * arming may not depend on functions whose bytes are just being changed. They return a negative
 * errno and leave errno alone.
 */
#ifndef EMUPROBE_PROBE_SYSCALL_H
#define EMUPROBE_PROBE_SYSCALL_H

#include <sys/syscall.h>

static inline __attribute__((always_inline)) long sys6(long nr, long a, long b, long c, long d,
						       long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define sys4(nr, a, b, c, d) sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys3(nr, a, b, c)    sys4(nr, a, b, c, 0)
#define sys2(nr, a, b)	     sys4(nr, a, b, 0, 0)
#define sys1(nr, a)	     sys4(nr, a, 0, 0, 0)
#define sys0(nr)	     sys4(nr, 0, 0, 0, 0)

#endif
