/* SPDX-License-Identifier: MIT */
/* What becomes of a guarded call. Called from entry.S, on the program's stack. */
#ifndef EMUPROBE_PROBE_GUARD_PERFORM_H
#define EMUPROBE_PROBE_GUARD_PERFORM_H

#include "include/emuprobe.h"
#include "probe/guard/frame.h"

/** What is to be done, one of GUARD_*; changes nothing. Context: TRAP_PATH, signals open. */
EP_TRAP_PATH int guard_decide(struct guard_frame *frame);

/** Do it, and say how to leave: one of GUARD_*. Context: TRAP_PATH, all signals blocked. */
EP_TRAP_PATH int guard_work(struct guard_frame *frame);

/** The first thing that the child of a clone does. Context: TRAP_PATH, all signals blocked. */
EP_TRAP_PATH void guard_child(struct guard_frame *frame);

#endif
