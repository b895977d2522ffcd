/* SPDX-License-Identifier: MIT */
/* Keeps SIGTRAP unblocked and handled, also where libc asks the kernel by itself. */
#ifndef EMUPROBE_PROBE_GUARD_GUARD_H
#define EMUPROBE_PROBE_GUARD_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fallback-xol/guarded.h"
#include "probe/image/objects.h"

/* Shows a call to guard_decide(), if it has one of our numbers. */
extern const struct xol_guard guard_calls;

/** Must calls with this number be guarded? */
bool guard_is_number(uint64_t number);

/** Fill what guard_calls refers to. */
void guard_init(void);

/**
 * Put the engine's own sites on libc's system calls that change signal masks and actions.
 *
 * @return   0, -EP_SIGNALS_BLOCKED, -EP_NOT_WRITABLE, -EP_OUT_OF_REACH or -EP_NO_MEMORY.
 * Context:  engine lock held; once.
 */
int guard_arm(void);

/**
 * The same for another libc, in a link namespace of its own, that has just been loaded and in which
 * no thread is yet. What cannot be guarded there is left.
 * Context:  engine lock held.
 */
void guard_object(struct objects_object *object);

/** How many there are. */
size_t guard_count(void);

#endif
