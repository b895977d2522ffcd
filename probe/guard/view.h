/* SPDX-License-Identifier: MIT */
/* How the program sees a thread that a signal finds in a guarded call. */
#ifndef EMUPROBE_PROBE_GUARD_VIEW_H
#define EMUPROBE_PROBE_GUARD_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"
#include "probe/guard/frame.h"

/* Where a signal has found a thread. */
enum guard_found {
	GUARD_NOWHERE,	/* not in a guarded call */
	GUARD_IN_FRONT, /* of the call; nothing has been done */
	GUARD_WAITED,	/* in a wait, which it has ended */
	GUARD_BEHIND,	/* the call is done */
};

struct guard_view {
	enum guard_found found;
	uint64_t resume;	   /* where a thread with the registers as shown goes on */
	struct guard_frame *frame; /* NULL: left already, or not yet filled */
};

/**
 * Is a thread with @regs in a guarded call? Then make them what the program would see.
 *
 * @return   false: it is not, and @regs are as they were.
 * Context:  TRAP_PATH; in a signal handler of the thread itself.
 */
EP_TRAP_PATH bool guard_view(struct ep_regs *regs, struct guard_view *ret);

/** Make @regs, which are shown as after a wait, those in front of it. Context: TRAP_PATH. */
EP_TRAP_PATH void guard_restart(struct ep_regs *regs, const struct guard_view *view);

/**
 * Is a thread with @regs and the signal mask @mask in guard_work(), or in a handler of ours, which
 * must be finished? It is not shown as anything else.
 * Context:  TRAP_PATH; as guard_view().
 */
EP_TRAP_PATH bool guard_is_working(const struct ep_regs *regs, uint64_t mask);

#endif
