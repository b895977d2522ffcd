/* SPDX-License-Identifier: MIT */
/*
 * An int3 kills when SIGTRAP is blocked or is not ours. Guards see to that, but not in code that is
 * made while the program runs, or where a number is computed. So before traps are written the kernel
 * is asked what it has: the handler, and for each thread the mask, which /proc shows. A thread may have
 * it blocked for a moment in which it is in our own code. One that still has it after some
 * milliseconds would die of a trap; milliseconds in which it ran or slept, since on a busy machine its
 * moment may last as long as it gets no processor.
 */
#include "probe/guest/watch.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "probe/guest/park.h"
#include "probe/guest/signals.h"
#include "probe/guest/task.h"
#include "sys/call.h"

/* Nanoseconds. */
#define PAUSE	   500000l
#define CHANCE_MAX 10000000l /* for a thread to open it, when it has a processor */
#define ROUNDS_MAX 20000     /* pauses in all, when threads get none */
#define HOLDS_FOR  20000000l
#define SECOND	   1000000000l

static bool is_blocking(int32_t tid, struct task *ret)
{
	return task_read(tid, ret) && !task_has_ended(ret) &&
	       (ret->blocked & SIGNALS_BIT(SIGTRAP)) && !park_is_leaving(tid);
}

static uint32_t rounds_left;
static bool is_blocked;

/* One at a time: who has been seen without it does not keep it blocked. */
static void look_at(int32_t tid)
{
	const struct timespec pause = {0, PAUSE};
	struct task before, task;
	uint64_t chance = 0;

	if (is_blocked || !is_blocking(tid, &task))
		return;
	while (chance < CHANCE_MAX && rounds_left > 0) {
		before = task;
		rounds_left--;
		sys2(SYS_nanosleep, &pause, NULL);
		if (!is_blocking(tid, &task))
			return;
		chance += task_chance(&before, &task, PAUSE);
	}
	is_blocked = true;
}

static bool some_thread_blocks(void)
{
	long fd = sys4(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		       0);
	bool is_whole = true; /* false: there may be threads that were not listed */

	rounds_left = ROUNDS_MAX;
	is_blocked = false;
	if (fd >= 0) {
		is_whole = park_each_task(fd, look_at);
		sys1(SYS_close, fd);
	}
	return is_blocked || !is_whole;
}

static int64_t now(void)
{
	struct timespec time = {0, 0};

	sys2(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

int watch_traps(void)
{
	static int64_t fine_until;
	int64_t time;

	if (!signals_have_trap())
		return -EP_SIGNAL_TAKEN;
	time = now();
	if (time < fine_until)
		return 0;
	if (some_thread_blocks())
		return -EP_SIGNALS_BLOCKED;
	fine_until = time + HOLDS_FOR;
	return 0;
}
