/* SPDX-License-Identifier: MIT */
/*
 * Barriers on all threads by membarrier(2): who changes something pays for one, a hit pays nothing.
 */
#ifndef EMUPROBE_SYS_BARRIER_H
#define EMUPROBE_SYS_BARRIER_H

#include <stdbool.h>

#include "include/emuprobe.h"

/**
 * Let sys_barrier() reach the threads of this process; again after a fork.
 *
 * @return   false: the kernel cannot.
 * Context:  any thread. A system call or two; the first registration of a process that runs several
 *           threads takes some milliseconds.
 */
bool sys_barrier_register(void);

/**
 * Every other thread of the process passes a full memory barrier and serializes its execution.
 *
 * @return   false: refused, or not registered.
 * Context:  any thread. Two system calls, some microseconds.
 */
bool sys_barrier(void);

/** Let sys_barrier_shared() reach the threads of this process and of its children. */
bool sys_barrier_register_shared(void);

/**
 * A memory barrier on the threads of every process that has registered for it.
 *
 * @return   false: refused.
 * Context:  TRAP_PATH; a system call.
 */
EP_TRAP_PATH bool sys_barrier_shared(void);

#endif
