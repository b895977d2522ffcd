/* SPDX-License-Identifier: MIT */
/*
 * A system call without libc: what runs in a trap may not call functions that can be probed, and
 * arming may not depend on functions whose bytes are just being changed.
 */
#ifndef EMUPROBE_SYS_CALL_H
#define EMUPROBE_SYS_CALL_H

#include <sys/syscall.h>

#include "sys/abi.h"

/** Returns what the kernel does: a negative errno on failure. Leaves errno alone. */
static inline __attribute__((always_inline)) long sys6(long nr, long a, long b, long c, long d,
						       long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile(".byte %c[mark]; syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			   "r"(r9), [mark] "i"(SYSCALL_MARK)
			 : "rcx", "r11", "memory");
	return ret;
}

/* With as many arguments as it takes, of any type. */
#define sys4(nr, a, b, c, d) sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys3(nr, a, b, c)    sys4(nr, a, b, c, 0)
#define sys2(nr, a, b)	     sys4(nr, a, b, 0, 0)
#define sys1(nr, a)	     sys4(nr, a, 0, 0, 0)
#define sys0(nr)	     sys4(nr, 0, 0, 0, 0)

#endif
