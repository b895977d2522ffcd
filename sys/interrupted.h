/* SPDX-License-Identifier: MIT */
/* Which system call a thread is in the middle of, when the kernel does not say any more. */
#ifndef EMUPROBE_SYS_INTERRUPTED_H
#define EMUPROBE_SYS_INTERRUPTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/memory.h"

/** Reads memory of the thread's process, as @data says; false: not all of it can be read. */
typedef bool sys_read_function(const void *data, uint64_t at, void *ret, size_t size);

/**
 * The number of the call that a thread goes on with under the number of restart_syscall.
 *
 * @rip      Behind the `syscall`. In a door of the engine nothing is found there; the calls that have one
 *           and go on in this way are those of libc's shared `syscall`, whose numbers are on the stack.
 * @rsp      As it was then.
 *
 * @return   a number; -1: it is not known.
 * Context:  TRAP_PATH, if @read is. Some reads of memory.
 */
EP_TRAP_PATH long sys_interrupted_call(uint64_t rip, uint64_t rsp, sys_read_function *read,
				       const void *data);

#endif
