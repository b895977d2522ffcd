/* SPDX-License-Identifier: MIT */
/* The engine's lock. */
#ifndef EMUPROBE_PROBE_ENGINE_LOCK_H
#define EMUPROBE_PROBE_ENGINE_LOCK_H

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
 * From now on probes that this thread reaches are passed uncounted, and no signal interrupts it: as
 * under the lock, but other threads are not excluded.
 *
 * @return   For engine_resume().
 * Context:  any thread without the lock.
 */
uint64_t engine_pause(void);
void engine_resume(uint64_t paused);

/**
 * Note in the thread's record, which may be newer than the lock, that it is ours. Context: lock
 * held.
 */
void engine_tell_depth(void);

/** Is the engine told of forks? False: there was no memory for that. Context: lock held. */
bool engine_watches_forks(void);

#endif
