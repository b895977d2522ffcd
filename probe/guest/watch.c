/* SPDX-License-Identifier: MIT */
/*
 * An int3 kills when SIGTRAP is blocked or is not ours. Guards see to that, but not in code that is
 * made while the program runs, or where a number is computed. So before traps are written the kernel
 * is asked what it has: the handler, and for each thread the mask, which /proc shows. A thread may have
 * it blocked for a moment in which it is in our own code; one that still has it after some
 * milliseconds would die of a trap.
 */
#include "probe/guest/watch.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "probe/guest/park.h"
#include "probe/guest/signals.h"
#include "sys/call.h"

#define ROUNDS_MAX 20	     /* of 500 us */
#define HOLDS_FOR  20000000l /* nanoseconds */
#define SECOND	   1000000000l

enum { STATUS_MAX = 4096, PATH_LENGTH = 64 };

static char *put(char *to, const char *text)
{
	size_t length = strlen(text);

	memcpy(to, text, length + 1);
	return to + length;
}

static void put_path(char *to, int32_t tid)
{
	char digits[12], *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do
		*--at = (char)('0' + tid % 10);
	while (tid /= 10);
	put(put(put(to, "/proc/self/task/"), at), "/status");
}

static bool read_status(int32_t tid, char *to)
{
	char path[PATH_LENGTH];
	long fd, size;

	put_path(path, tid);
	fd = sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	size = sys3(SYS_read, fd, to, STATUS_MAX - 1);
	sys1(SYS_close, fd);
	to[size > 0 ? size : 0] = '\0';
	return size > 0;
}

/* The threads that block SIGTRAP; those that are no more do not count. */
static uint32_t blocking;

static void look_at(int32_t tid)
{
	char status[STATUS_MAX];
	const char *blocked, *state;

	if (!read_status(tid, status))
		return;
	state = strstr(status, "\nState:\t");
	blocked = strstr(status, "\nSigBlk:\t");
	if (!state || !blocked || strchr("ZX", state[strlen("\nState:\t")]))
		return;
	blocking +=
		(strtoul(blocked + strlen("\nSigBlk:\t"), NULL, 16) & SIGNALS_BIT(SIGTRAP)) != 0;
}

static bool is_blocked(void)
{
	const struct timespec pause = {0, 500000};
	long fd = sys4(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		       0);

	bool is_whole = true; /* false: there may be threads that were not listed */

	blocking = 0;
	for (int round = 0; fd >= 0 && round < ROUNDS_MAX; round++) {
		if (round)
			sys2(SYS_nanosleep, &pause, NULL);
		blocking = 0;
		is_whole = park_each_task(fd, look_at);
		if (!blocking || !is_whole)
			break;
	}
	if (fd >= 0)
		sys1(SYS_close, fd);
	return blocking || !is_whole;
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
	if (is_blocked())
		return -EP_SIGNALS_BLOCKED;
	fine_until = time + HOLDS_FOR;
	return 0;
}
