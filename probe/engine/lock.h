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
 * What this thread does from now on is not the program's doing, and no signal interrupts it; as
 * under the lock, but others may go on.
 *
 * @return   For engine_resume().
 * Context:  any thread without the lock.
 */
uint64_t engine_pause(void);
void engine_resume(uint64_t paused);

/** The same for a thread that had no record when it took the lock. Context: lock held. */
void engine_tell_depth(void);

/** False: there is no memory to be told of forks. Context: lock held. */
bool engine_watches_forks(void);

#endif
