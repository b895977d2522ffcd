/* SPDX-License-Identifier: MIT */
/* Finds the system calls that could block SIGTRAP or take it away, and puts guards on them. */
#ifndef EMUPROBE_PROBE_GUARD_SCAN_H
#define EMUPROBE_PROBE_GUARD_SCAN_H

#include <stddef.h>

#include "probe/image/objects.h"

/**
 * Put the engine's own sites on libc's system calls that change signal masks and actions.
 *
 * @return   0, -EP_SIGNALS_BLOCKED, -EP_NOT_WRITABLE, -EP_OUT_OF_REACH or -EP_NO_MEMORY.
 * Context:  engine lock held; once.
 */
int guard_arm(void);

/**
 * The same for another libc, in a link namespace of its own, that has just been loaded and in which
 * no thread is yet; and for every object that is loaded. What cannot be guarded there is left, and
 * guard_gap() says so.
 * Context:  engine lock held.
 */
void guard_object(struct objects_object *object);

/** @object is gone, and with it what was not guarded there. Context: engine lock held. */
void guard_forget(const struct objects_object *object);

/**
 * Is there an object whose calls could not be guarded? A trap may kill then.
 *
 * @return   0, -EP_NOT_WRITABLE, -EP_OUT_OF_REACH or -EP_NO_MEMORY.
 * Context:  engine lock held.
 */
int guard_gap(void);

/** How many calls are guarded. */
size_t guard_count(void);

#endif
