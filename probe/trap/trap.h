/* SPDX-License-Identifier: MIT */
/* The signal handlers of the engine. */
#ifndef EMUPROBE_PROBE_TRAP_TRAP_H
#define EMUPROBE_PROBE_TRAP_TRAP_H

#include <signal.h>

#include "include/emuprobe.h"

/* SIGTRAP: a hit, or a trap of the program's own. */
EP_TRAP_PATH void trap_handler(int sig, siginfo_t *info, void *ucontext);

/* SIGSEGV, SIGBUS, SIGFPE, SIGILL: shown to the program at the original address. */
EP_TRAP_PATH void fault_handler(int sig, siginfo_t *info, void *ucontext);

#endif
