/* SPDX-License-Identifier: MIT */
/* Calls a function on a stack of its own, for what happens on stacks that are not ours. */
#ifndef EMUPROBE_PROBE_ENGINE_ROOMY_H
#define EMUPROBE_PROBE_ENGINE_ROOMY_H

/**
 * Call @run with 256 KiB of stack; where there is no memory for that, on the caller's.
 * Context:  any thread with the program's signals blocked: a handler would come to lie there.
 * Cost:     three system calls.
 */
void roomy_run(void (*run)(void));

/* In roomy.S. */
void roomy_call(void (*run)(void), void *top);

#endif
