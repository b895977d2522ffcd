/* SPDX-License-Identifier: MIT */
/*
 * Calls a function on a large stack of the engine's: a thread of the program may have a small one.
 */
#ifndef EMUPROBE_PROBE_ENGINE_ROOMY_H
#define EMUPROBE_PROBE_ENGINE_ROOMY_H

/**
 * Call @run with 256 KiB of stack; where there is no memory for that, on the caller's.
 * Context:  any thread with the program's signals blocked: a handler would run on that stack.
 * Cost:     three system calls.
 */
void roomy_run(void (*run)(void));

/* In roomy.S. */
void roomy_call(void (*run)(void), void *top);

#endif
