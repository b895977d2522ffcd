/* SPDX-License-Identifier: MIT */
/* The signals that we own, blocked and pending in the program's eyes: in the kernel never. */
#ifndef EMUPROBE_PROBE_GUEST_MASKS_H
#define EMUPROBE_PROBE_GUEST_MASKS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <ucontext.h>

#include "include/emuprobe.h"

struct guard_frame;

/** Those of SIGNALS_OWNED that the calling thread blocks. Context: TRAP_PATH. */
EP_TRAP_PATH uint64_t masks_blocked(void);

/**
 * Set which of our signals the calling thread blocks. What is kept and not blocked any more arrives
 * at the next masks_redeliver().
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void masks_set_blocked(uint64_t blocked);

/**
 * The same for a mask that the engine has found in the kernel at its start. It may be that of a
 * signal handler that was running then: such a mask ends with the handler, and we do not see it
 * end.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void masks_adopt(uint64_t blocked);

/**
 * The thread has raised the fault @sig, which it blocks. Did the block come from masks_adopt()?
 * Then it is forgotten, and the signal can be delivered. Else the thread dies, as it would without
 * us.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool masks_forget_adopted(int sig);

/**
 * A signal has arrived that this thread blocks: keep it for later, or give it to a thread that
 * wants it, if it was sent to the process.
 * Context:  TRAP_PATH; in our handler.
 */
EP_TRAP_PATH void masks_keep(int sig, const siginfo_t *info);

/** Is this a hint of masks_keep() in another thread: look at what is kept for the process? */
EP_TRAP_PATH bool masks_is_hint(const siginfo_t *info);

/** A hint has come: take what this thread wants. Context: TRAP_PATH; as masks_redeliver(). */
EP_TRAP_PATH void masks_take_hint(void);

/** A handler of the program's is about to be called. Context: TRAP_PATH. */
EP_TRAP_PATH void masks_note_delivery(void);

/** A handler of ours was called for a signal in this thread. Context: TRAP_PATH. */
EP_TRAP_PATH void masks_note_signal(void);

/* What the engine did for a thread whose handler is called. */
struct masks_left {
	struct guard_frame *guarding;
	volatile struct timespec *wait_timeout;
	uint64_t waiting;
	bool lent;
};

/**
 * A handler of the program's is about to be called, and may never return: forget what is kept of
 * this thread on its stack. masks_come_back() restores it when the handler has returned.
 *
 * Context:  TRAP_PATH; with the program's signals blocked.
 */
EP_TRAP_PATH void masks_leave(struct masks_left *ret);
EP_TRAP_PATH void masks_come_back(const struct masks_left *left);

/** What is kept for this thread and for the process. Context: TRAP_PATH. */
EP_TRAP_PATH uint64_t masks_pending(void);

/** Take one of @set that is kept; its number, 0: there is none. Context: TRAP_PATH. */
EP_TRAP_PATH int masks_take(uint64_t set, siginfo_t *ret);

/**
 * Let what is kept, and not blocked any more, arrive as soon as the interrupted code goes on.
 * Context:  TRAP_PATH; at the end of our handler, which must return right after.
 */
EP_TRAP_PATH void masks_redeliver(void);

/** The same for what is kept of @set, whether it is blocked or not. Context: TRAP_PATH. */
EP_TRAP_PATH void masks_send(uint64_t set);

/**
 * Our handler for @sig has interrupted code that must not be interrupted: let the signal come again
 * when that code, whose mask is @mask, opens its signals.
 * Context:  TRAP_PATH; in our handler.
 */
EP_TRAP_PATH void masks_defer(int sig, siginfo_t *info, uint64_t *mask);

/** The calling thread is about to wait for signals, of which we own @set. Context: TRAP_PATH. */
EP_TRAP_PATH void masks_set_waiting(uint64_t set);

/** Forget what is kept of @sig: the program ignores it now. Context: TRAP_PATH. */
EP_TRAP_PATH void masks_discard(int sig);

/**
 * rt_sigtimedwait() for a @set that has signals of ours in it, with the program's mask @mask.
 *
 * @return   The signal's number or a negative errno.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH long masks_wait(uint64_t set, uint64_t mask, siginfo_t *info,
			     const struct timespec *timeout);

#endif
