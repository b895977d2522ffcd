/* SPDX-License-Identifier: MIT */
/*
 * Alternate signal stacks: ours, on which our handlers run, and the one that the program has set.
 */
#ifndef EMUPROBE_PROBE_THREAD_ALTSTACK_H
#define EMUPROBE_PROBE_THREAD_ALTSTACK_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "include/emuprobe.h"

/* What our handlers and a probe's may use; what they touch is allocated. */
/* A SIGTRAP that is sent comes when the handler of another one begins: 40 of them, with AVX-512. */
#define ALTSTACK_SIZE 0x20000ul

/** From now on threads get stacks. Context: the program's signals are ours, its calls guarded. */
void altstack_enable(void);

/**
 * Give the calling thread a stack, if it has none yet. Not while it is on one of the program's:
 * then it stays without.
 * Context:  TRAP_PATH; not in a process that shares its parent's memory; some system calls, once. A
 *           handler must call altstack_leave() after it.
 */
EP_TRAP_PATH void altstack_install(void);

/** No more threads get one: a sandbox forbids what that takes. Context: TRAP_PATH. */
EP_TRAP_PATH void altstack_stop(void);

/** Has the calling thread none of ours, though it could have one? Context: TRAP_PATH. */
EP_TRAP_PATH bool altstack_is_missing(void);

/** Has the calling thread one of ours? Context: TRAP_PATH. */
EP_TRAP_PATH bool altstack_is_ours(void);

/**
 * Must sigaltstack() be performed by us, since the kernel knows our stack? For a child of vfork()
 * that is so if it only asks: what it sets is for itself.
 * Context:  TRAP_PATH; two system calls.
 */
EP_TRAP_PATH bool altstack_is_hidden(bool changes);

/**
 * Is @rsp on our stack: in a handler of ours whose frame has not been moved? Context: TRAP_PATH.
 */
EP_TRAP_PATH bool altstack_is_used(uint64_t rsp);

/** Is @rsp on the stack that the program has set in this thread? Context: TRAP_PATH. */
EP_TRAP_PATH bool altstack_has(uint64_t rsp);

enum altstack_moved {
	ALTSTACK_STAYS, /* it is where it should be */
	ALTSTACK_MOVED,
	ALTSTACK_FULL, /* there is no room where it should be */
};

/**
 * The frame of a signal that a handler of the program's is going to see: copy it from our stack to
 * where the kernel would have put it.
 *
 * @on_stack  SA_ONSTACK was asked for.
 * @shift     How far it has moved, for ALTSTACK_MOVED: go on there, and leave this one.
 * Context:   TRAP_PATH; in our handler, before it has changed anything but @context.
 */
EP_TRAP_PATH enum altstack_moved altstack_move(bool on_stack, const ucontext_t *context,
					       uint64_t *ret_shift);

/**
 * Let @context show the program's stack while its handler runs.
 *
 * @return   false: it shows that already, and altstack_take() must not be called.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool altstack_show(ucontext_t *context);

/**
 * Afterwards: note the stack that @context shows as the program's, and put ours there. TRAP_PATH.
 */
EP_TRAP_PATH void altstack_take(ucontext_t *context);

/**
 * rt_sigreturn() is about to set the stack that @context shows: put ours there.
 * Context:  TRAP_PATH; at the end of our handler.
 */
EP_TRAP_PATH void altstack_leave(ucontext_t *context);

/**
 * sigaltstack() as the program should see it, which has the stack pointer @rsp.
 *
 * @return   0 or a negative errno.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH long altstack_sigaltstack(uint64_t wanted, uint64_t old, uint64_t rsp);

#endif
