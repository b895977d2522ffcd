/* SPDX-License-Identifier: MIT */
/* What threads leave behind, since nobody tells us when they end, and others take: see sys/round.h. */
#ifndef EMUPROBE_PROBE_THREAD_LEGACY_H
#define EMUPROBE_PROBE_THREAD_LEGACY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/memory.h"
#include "sys/round.h"

/* At the beginning of such a thing. */
struct legacy {
	struct legacy *next; /* older; constant once published */
	_Atomic uint64_t
		owner; /* a thread's ID; its process's << 32, where that matters; 0: nobody */
};

/* All zero: there are none. */
struct legacies {
	_Atomic(struct legacy *) first;
	_Atomic(struct legacy *) at; /* where to look next; NULL: at the beginning */
	_Atomic uint32_t count;
	struct sys_round round;
};

/**
 * One whose owner is dead, or was nobody, or is @self; it is @self's from now on.
 *
 * @return   NULL: none was found, and one is to be made.
 * Context:  TRAP_PATH; system calls. Not in a process that runs in its parent's memory, to which the parent's
 *           threads look dead, unless owners have the process's ID.
 */
EP_TRAP_PATH struct legacy *legacy_take(struct legacies *from, uint64_t self);

/** One that was made, for @owner. Context: TRAP_PATH. */
EP_TRAP_PATH void legacy_add(struct legacies *to, struct legacy *made, uint64_t owner);

#endif
