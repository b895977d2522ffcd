/* SPDX-License-Identifier: MIT */
/* What the engine keeps for each thread of the program. */
#ifndef EMUPROBE_PROBE_THREAD_THREAD_H
#define EMUPROBE_PROBE_THREAD_THREAD_H

#include <linux/sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "include/emuprobe.h"
#include "probe/thread/area.h"
#include "probe/thread/owned.h"

struct guard_frame;
struct probe_site;

#define GUESTS 4 /* of a thread, each in its parent's stead */

/* What a process that runs in our memory has of its own; see guest.c. */
struct guest {
	int32_t pid;
	/* Of the signals that we own, in its eyes: */
	uint64_t blocked;
	struct signals_action actions[SIGNALS_OWNED_COUNT];
};

struct probe_thread {
	struct guard_frame *guarding; /* see probe/guard/view.c; set by probe/guard/entry.S */
	_Atomic uint32_t tid;	      /* 0: free */
	_Atomic uint32_t calls;	      /* handlers' runs so far: tells one run from the next */
	/* The site whose handlers this thread runs; NULL: none. Read by probe_remove (G5). */
	_Atomic(struct probe_site *) running;
	uint64_t running_rsp; /* the program's stack pointer then */
	/* The site that it passes from inside a handler; NULL: none. */
	_Atomic(struct probe_site *) passing;
	uint64_t resumed;	     /* where it went on when its last trap was serviced */
	const struct ep_regs *frame; /* the registers of its last trap, in the signal's frame */
	uint64_t retry_address;	     /* see probe_thread_retries() */
	uint32_t retries;
	uint32_t engine_depth; /* >0: inside the engine, probes are passed uncounted */
	/* See masks.c. Of the signals that we own: */
	_Atomic uint64_t blocked; /* in the program's eyes; probe_thread_block() */
	uint64_t adopted;	  /* of these, what may be a signal handler's mask; masks_adopt() */
	_Atomic uint64_t waiting; /* what it waits for: sigwait(), or a wait with another mask */
	_Atomic uint64_t pending; /* what was sent to it while it blocked it */
	volatile struct timespec *wait_timeout;
	bool lent;	    /* it is in an execve(): see masks_leave() */
	uint32_t delivered; /* signals for which a handler of the program's was called */
	uint32_t noticed;   /* signals for which a handler of ours was: see masks_wait() */
	siginfo_t kept[SIGNALS_OWNED_COUNT]; /* of .pending */
	struct guest guests[GUESTS]; /* that run as this thread, or did: the first it made itself */
	struct clone_args clone_args; /* of the call that it makes just now */
	uint32_t slot;		      /* number of the one that says where this is, + 1; 0: none */
	bool is_guests;		      /* of a process in our memory: its thread is none of ours */
};

/* What probe_thread_self() found; NULL, or a record with tid 0: to be found again. */
extern __thread struct probe_thread *probe_thread_known;
EP_TRAP_PATH struct probe_thread *probe_thread_find(void);

/** probe_thread_known as it is; NULL in a thread without our static TLS. Context: TRAP_PATH. */
static inline __attribute__((always_inline)) struct probe_thread *probe_thread_if_known(void)
{
	if (!probe_thread_has_area())
		return NULL;
	/* Not loaded before that is known, as clang does with what cannot fault. */
	return *(struct probe_thread *volatile *)&probe_thread_known;
}

/**
 * The record of the calling thread, made at its first use.
 *
 * @return   NULL: there are more threads than records (65,536), nothing was ever probed, or the
 *           thread has not got our static TLS.
 * Context:  TRAP_PATH; a system call at first use.
 */
static inline __attribute__((always_inline)) struct probe_thread *probe_thread_self(void)
{
	struct probe_thread *known = probe_thread_if_known();

	if (__builtin_expect(known && atomic_load_explicit(&known->tid, memory_order_relaxed), 1))
		return known;
	return probe_thread_find();
}

/**
 * Is the calling thread, of record @thread and with the stack pointer @rsp, inside a probe's
 * handler? Not if it has left that one by a jump, as longjmp() out of a signal handler is: then the
 * stack has shrunk so far that the handler's frame is not on it any more.
 * Context:  TRAP_PATH. A system call, where it is not obvious.
 */
EP_TRAP_PATH bool probe_thread_runs_handler(const struct probe_thread *thread, uint64_t rsp);

/** The same, of the caller. Context: any thread, not in a trap. */
bool probe_thread_in_handler(void);

/** Set .blocked of the calling thread's record; a child of fork() inherits it. Context: TRAP_PATH.
 */
EP_TRAP_PATH void probe_thread_block(struct probe_thread *thread, uint64_t blocked);

/**
 * Call @visit for each record but the caller's, until it says true. Threads may be dead.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void probe_thread_each(bool (*visit)(struct probe_thread *thread, void *data),
				    void *data);

/** Is no other thread alive that the engine has a record of? Context: TRAP_PATH. */
EP_TRAP_PATH bool probe_thread_is_alone(void);

/**
 * The thread has trapped at @address, where nothing of ours stands any more. Should it try again?
 * Yes, unless it has done so a thousand times at this address: then the trap is the program's own.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool probe_thread_retries(uint64_t address);

/**
 * A thread without a record is about to read the list of a site, or has done so:
 * probe_thread_wait() waits for it.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void probe_thread_begin_nameless(void);
EP_TRAP_PATH void probe_thread_end_nameless(void);

/**
 * Wait until no thread but the caller runs or counts probes of a site for which @removed says
 * true.
 * Context:  any thread without the engine's lock; not from handlers.
 */
void probe_thread_wait(bool (*removed)(const struct probe_site *site, void *data), void *data);

/**
 * Is the caller a process of its own that runs in the memory of its parent (vfork, posix_spawn)?
 * It has its own signal actions and descriptors, but may not change what we remember of them.
 * Context:  TRAP_PATH; a system call.
 */
EP_TRAP_PATH bool probe_thread_is_guest(void);

/** @return 0, -EP_NO_MEMORY or -EP_UNSUPPORTED. Context: before the first probe. */
int probe_thread_init(void);

#endif
