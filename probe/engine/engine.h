/* SPDX-License-Identifier: MIT */
/* The engine as a whole: taking the process over, and staying in it. */
#ifndef EMUPROBE_PROBE_ENGINE_ENGINE_H
#define EMUPROBE_PROBE_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

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
 *           -EP_SIGNALS_BLOCKED or -EP_UNSUPPORTED; once it is ready, guard_gap().
 * Context:  lock held. Milliseconds the first time, nothing later.
 */
int engine_start(void);

#endif
