/* SPDX-License-Identifier: MIT */
/*
 * Takes over the signals that the engine needs: their handlers in the kernel are ours, and the
 * program is shown those that it has set.
 */
#ifndef EMUPROBE_PROBE_GUEST_SIGNALS_H
#define EMUPROBE_PROBE_GUEST_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "include/emuprobe.h"
#include "probe/thread/owned.h"

/* Blocked while our handlers run. Not SIGSYS: a filter may raise it in a call that we make for the
   program, and a thread that blocks it is killed. */
#define SIGNALS_HELD (~(SIGNALS_OWNED | SIGNALS_BIT(SIGSYS)))

typedef void (*signals_handler)(int sig, siginfo_t *info, void *ucontext);

/* Our handlers in the kernel. */
struct signals_ours {
	signals_handler trap;	      /* of SIGTRAP */
	signals_handler fault;	      /* of SIGNALS_FAULTS */
	signals_handler asynchronous; /* of all other signals for which the program has one */
};

/**
 * Does another copy of the engine have the signals of this process? (Linked statically into another
 * object, preloaded.)
 * Context:  before signals_init().
 */
bool signals_are_taken(void);

/**
 * Take the signals over; what the program had set is kept for it.
 *
 * @return   0 or -EP_UNSUPPORTED.
 * Context:  once, before the first probe.
 */
int signals_init(const struct signals_ours *handlers);

/**
 * What the program has set since, while its calls were not guarded: a handler that blocks all signals is
 * entered by the kernel alone, and the first trap in it is fatal.
 *
 * @held_by  The signal whose action is another one just now.
 *
 * Context:  before guards are written, while all other threads are held (park.h).
 */
void signals_adopt_rest(int held_by);

/** Is SIGTRAP's handler in the kernel still ours? Context: after signals_init(). */
bool signals_have_trap(void);

/**
 * Give them back, where the engine could not be started after all.
 * Context:  no int3 of ours is anywhere; lock held.
 */
void signals_deinit(void);

/**
 * rt_sigaction() as the program should see it.
 *
 * @return   0 or a negative errno.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH long signals_sigaction(int sig, uint64_t act, uint64_t old, uint64_t size);

/**
 * rt_sigprocmask() on @mask, which the caller is going to set in the kernel.
 *
 * @return   0 or a negative errno.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH long signals_sigprocmask(uint64_t *mask, int how, uint64_t set, uint64_t old,
				      uint64_t size);

/** What the program set for @sig in the eyes of the caller, which may be a guest. TRAP_PATH. */
EP_TRAP_PATH void signals_get_own(int sig, struct signals_action *ret);

/** What has a handler gets the default action, as CLONE_CLEAR_SIGHAND does it to a child. */
EP_TRAP_PATH void signals_clear(void);

/**
 * Before an execve(), show the kernel which of the signals that we own the caller ignores: the
 * next program finds them so. Hits kill until signals_return() undoes it.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void signals_lend(void);
EP_TRAP_PATH void signals_return(void);

/** As SA_RESETHAND does. Context: TRAP_PATH. */
EP_TRAP_PATH void signals_reset(int sig);

static inline __attribute__((always_inline)) uint64_t *signals_mask(ucontext_t *context)
{
	return (uint64_t *)(void *)&context->uc_sigmask;
}

#endif
