/* SPDX-License-Identifier: MIT */
/* Holds every other thread for a moment: once in a process, when the engine starts late. */
#ifndef EMUPROBE_PROBE_GUEST_PARK_H
#define EMUPROBE_PROBE_GUEST_PARK_H

#include <stdbool.h>
#include <stdint.h>

#define PARK_SIGNAL 33 /* SIGSETXID, libc's own */

/**
 * Call @action while all other threads stand still with SIGTRAP unblocked, which it stays. They
 * may hold any lock, so @action may make system calls and nothing else. A system call that they
 * were waiting in may end with EINTR. In a process of one thread @action is called, and no more.
 *
 * @return   0; -EP_SIGNALS_BLOCKED: some thread could not be made to unblock SIGTRAP, or
 *           -EP_UNSUPPORTED: the threads cannot be listed. Then @action was not called.
 * Context:  engine lock held.
 */
int park_others(void (*action)(void));

/**
 * Has @tid stood still in park_others(), and not gone on yet? Then SIGTRAP is still blocked in it, until it
 * gets a processor; it meets no trap before.
 *
 * Context:  engine lock held.
 */
bool park_is_leaving(int32_t tid);

/**
 * Call @visit for each thread of the process.
 *
 * @fd       /proc/self/task, open.
 *
 * @return   false: there may be more.
 * Context:  any.
 */
bool park_each_task(long fd, void (*visit)(int32_t tid));

#endif
