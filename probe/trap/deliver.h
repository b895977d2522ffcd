/* SPDX-License-Identifier: MIT */
/* Gives the program the signals that are its own. */
#ifndef EMUPROBE_PROBE_TRAP_DELIVER_H
#define EMUPROBE_PROBE_TRAP_DELIVER_H

#include <signal.h>
#include <ucontext.h>

#include "include/emuprobe.h"

/**
 * Give the program a SIGTRAP or a fault that is not ours, as the kernel would have: call its
 * handler, ignore it, or let it die of it.
 * Context:  TRAP_PATH; at the end of our handler, which must return right after.
 */
EP_TRAP_PATH void deliver_to_program(int sig, siginfo_t *info, ucontext_t *context);

/* The handler, in the kernel, of every other signal for which the program has one. */
EP_TRAP_PATH void deliver_asynchronous(int sig, siginfo_t *info, void *ucontext);

#endif
