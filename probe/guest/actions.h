/* SPDX-License-Identifier: MIT */
/* What the program has set for each signal, as rt_sigaction() would tell it. */
#ifndef EMUPROBE_PROBE_GUEST_ACTIONS_H
#define EMUPROBE_PROBE_GUEST_ACTIONS_H

#include "include/emuprobe.h"
#include "probe/thread/owned.h"

/** What the program set for @sig. Context: TRAP_PATH; wait-free but for a writer in between. */
EP_TRAP_PATH void actions_get(int sig, struct signals_action *ret);

/** The same, set. Context: TRAP_PATH. */
EP_TRAP_PATH void actions_set(int sig, const struct signals_action *action);

/* By hand: a compiler makes a call of memcpy() of an assignment. */
EP_TRAP_PATH static inline void actions_copy(struct signals_action *to,
					     const struct signals_action *from)
{
	to->handler = from->handler;
	to->flags = from->flags;
	to->restorer = from->restorer;
	to->mask = from->mask;
}

#endif
