/* SPDX-License-Identifier: MIT */
/* What the kernel says of one thread of this process: does it sleep, run, or wait for a processor? */
#ifndef EMUPROBE_PROBE_GUEST_TASK_H
#define EMUPROBE_PROBE_GUEST_TASK_H

#include <stdbool.h>
#include <stdint.h>

struct task {
	uint64_t blocked; /* signals, as in SIGNALS_BIT() */
	uint64_t ran;	  /* nanoseconds on a processor; UINT64_MAX: nobody knows */
	char state;	  /* a letter, as in /proc/PID/status; Z and X: it has ended */
};

/**
 * Look at the thread @tid.
 *
 * @return   false: there is none, or the kernel does not tell.
 * Context:  any; allocates nothing, takes no lock, calls nothing but the kernel.
 */
bool task_read(int32_t tid, struct task *ret);

/* The system call that a thread waits in. */
struct task_call {
	int64_t number; /* negative: none, or nobody knows */
	uint64_t rsp, rip;
};

/** Where is the thread @tid just now? Context: as task_read(). */
void task_read_call(int32_t tid, struct task_call *ret);

/** Has it ended, and is only not yet forgotten? */
bool task_has_ended(const struct task *task);

/**
 * For how long, in nanoseconds, could the thread have done something between two looks at it that lie
 * @pause apart? A thread that slept could have all the time. One that is ready to run could while it
 * had a processor, and where nobody knows when it had one, all the time.
 */
uint64_t task_chance(const struct task *before, const struct task *now, uint64_t pause);

#endif
