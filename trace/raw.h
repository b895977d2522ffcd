/* SPDX-License-Identifier: MIT */
/* System calls without libc, whose functions may be probed and which sets errno. */
#ifndef EMUPROBE_TRACE_RAW_H
#define EMUPROBE_TRACE_RAW_H

#include "x86/syscall.h"

/** Returns what the kernel does: a negative errno on failure. Context: TRAP_PATH. */
#define raw_syscall x86_syscall

#endif
