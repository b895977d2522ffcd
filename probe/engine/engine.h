/* SPDX-License-Identifier: MIT */
/* The engine as a whole: its lock, and taking the process over. */
#ifndef EMUPROBE_PROBE_ENGINE_ENGINE_H
#define EMUPROBE_PROBE_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Everything that changes the engine happens under one lock. Whoever holds it gets no signals, and
 * the probes that it reaches are passed uncounted: they are not the program's doing. Nests.
 * Context:  any thread, handlers included.
 */
void engine_lock(void);
void engine_unlock(void);

/**
 * What this thread does from now on is not the program's doing, and no signal interrupts it; as
 * under the lock, but others may go on.
 *
 * @return   For engine_resume().
 * Context:  any thread without the lock.
 */
uint64_t engine_pause(void);
void engine_resume(uint64_t paused);

/**
 * Call @run while no object can be unloaded by another thread.
 * Context:  lock held.
 */
void engine_hold_objects(void (*run)(void *data), void *data);

/**
 * Keep the object that holds the engine from being unloaded.
 * Context:  any thread without the lock, before engine_start().
 */
void engine_stay(void);

/**
 * Make this process ready for its first probe: signals, barriers, thread records, guards.
 *
 * @return   0, -EP_NO_MEMORY, -EP_NO_MEMBARRIER, -EP_NO_MEMFD, -EP_OTHER_ENGINE,
 *           -EP_SIGNALS_BLOCKED or -EP_UNSUPPORTED.
 * Context:  lock held. Milliseconds the first time, nothing later.
 */
int engine_start(void);

#endif
