/* SPDX-License-Identifier: MIT */
/* One thread of the process, held by ptrace. */
#ifndef EMUPROBE_ATTACH_TRACEE_H
#define EMUPROBE_ATTACH_TRACEE_H

#include "attach/frame.h"
#include "attach/target.h"

struct tracee {
	struct target *target;
	int tid;
	uint64_t begun;		  /* when it was stopped, in nanoseconds */
	struct frame_state state; /* as it was found */
	bool is_changed;	  /* it is not as it was found */
	bool is_gone;
	uint64_t call;	  /* "syscall; ret" in the process */
	uint64_t restore; /* rt_sigreturn */
	uint64_t frame;	  /* where the way back lies */
};

/**
 * Stop thread @tid where it is, within @deadline (of tracee_now()).
 *
 * @return   0, or an enum ep_attach_error: it is not stopped, and not traced.
 */
int tracee_stop(struct target *target, int tid, uint64_t deadline, struct tracee *ret);

/** Let it go on as it was found. */
void tracee_release(struct tracee *tracee);

/** Let the way back lie at @at from now on. false: it cannot be written. */
bool tracee_put_frame(struct tracee *tracee, uint64_t at);

/**
 * Have the thread make a system call: number, and six arguments. The result, or a negative errno; the
 * way back must lie somewhere. -ESRCH: it is gone.
 */
long tracee_call(struct tracee *tracee, const long call[7]);

/** Have it run at @rip, with @rsp and @rbx. Signals are blocked, but those of faults. */
bool tracee_run(struct tracee *tracee, uint64_t rip, uint64_t rsp, uint64_t rbx);

/** Stop it again; false: it is gone, or, by @deadline, has not come. */
bool tracee_stop_again(struct tracee *tracee, uint64_t deadline);

/** What has happened to it since tracee_run(), if anything, is dealt with. */
void tracee_look(struct tracee *tracee);

/** Monotonic, in nanoseconds. */
uint64_t tracee_now(void);

#endif
