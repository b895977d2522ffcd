/* SPDX-License-Identifier: MIT */
/* System calls with as many arguments as it takes. */
#ifndef EMUPROBE_PROBE_SYSCALL_H
#define EMUPROBE_PROBE_SYSCALL_H

#include "x86/syscall.h"

#define sys6		     x86_syscall
#define sys4(nr, a, b, c, d) sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys3(nr, a, b, c)    sys4(nr, a, b, c, 0)
#define sys2(nr, a, b)	     sys4(nr, a, b, 0, 0)
#define sys1(nr, a)	     sys4(nr, a, 0, 0, 0)
#define sys0(nr)	     sys4(nr, 0, 0, 0, 0)

#endif
