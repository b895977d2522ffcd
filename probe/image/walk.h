/* SPDX-License-Identifier: MIT */
/* The calls that a thread is in, from where it was when it reached a probe: walked in the hit. */
#ifndef EMUPROBE_PROBE_IMAGE_WALK_H
#define EMUPROBE_PROBE_IMAGE_WALK_H

#include <stddef.h>

#include "include/emuprobe.h"

/**
 * Get ready; until then no stack is walked. Nothing happens when it is called again.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  engine lock held, the engine has the signals of faults. Some microseconds an object.
 */
int walk_start(void);

/**
 * What ep_backtrace() promises.
 * Context:  TRAP_PATH: any thread, while objects come and go; wait-free, no system call. 2 KiB of stack.
 */
EP_TRAP_PATH size_t walk_stack(const struct ep_regs *regs, uint64_t *ret, size_t max);

#endif
