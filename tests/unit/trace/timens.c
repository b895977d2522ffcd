/* SPDX-License-Identifier: MIT */
/* The clock of a process whose time namespace is not the one that it gives its children. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trace/clock/clock.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

TestSuite(trace_timens, .timeout = 400);

#define SECOND	 1000000000ll
#define SAME_NOW (SECOND / 5) /* what a loaded machine may take from one reading to the next */

/* For the children that are forked from now on. */
static bool unshare_time(long seconds)
{
	char text[64];
	int size = snprintf(text, sizeof(text), "monotonic %ld 0\n", seconds);
	int fd = unshare(CLONE_NEWTIME) ? -1 : open("/proc/self/timens_offsets", O_WRONLY);
	bool ret = fd >= 0 && write(fd, text, (size_t)size) == size;

	if (fd >= 0)
		close(fd);
	return ret;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

static int64_t read_clock(void)
{
	uint32_t cpu;

	return (int64_t)trace_clock_read(TRACE_CLOCK_MONOTONIC, &cpu);
}

static bool is_now(int64_t time)
{
	return time <= now() && now() - time < SAME_NOW;
}

static int status_of(pid_t child)
{
	int status = -1;

	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(trace_timens, difference)
{
	const struct trace_timens first = {.id = 1, .is_known = 1, .offset = 30, .wall = 1000};
	const struct trace_timens second = {.id = 2, .is_known = 1, .offset = 70, .wall = 970};
	const struct trace_timens third = {.id = 3, .wall = 800};
	const struct trace_timens again = {.id = 3, .wall = 900}; /* the wall clock was set */

	cr_expect_eq(trace_timens_between(&first, &second), 40, "as the kernel says");
	cr_expect_eq(trace_timens_between(&second, &first), -40);
	cr_expect_eq(trace_timens_between(&first, &third), 200, "by the wall clock");
	cr_expect_eq(trace_timens_between(&third, &first), -200);
	cr_expect_eq(trace_timens_between(&third, &again), 0, "the same, whatever it adds");
}

Test(trace_timens, unshared_for_children_only)
{
	struct trace_timens before, after;

	trace_clock_here(&before);
	if (!unshare_time(1000))
		cr_skip_test("no time namespace can be made here");
	trace_clock_here(&after);
	cr_expect_eq(before.id, after.id);
	cr_expect_not(after.is_known, "what the kernel says is about the children's: %ld",
		      (long)after.offset);
	trace_clock_init(&before);
	cr_expect(is_now(read_clock()), "%ld", (long)(read_clock() - now()));
}

/* 1000 s ahead of the reader, and about to have children 5 s ahead of it. */
static int run_unshared(const struct trace_timens *reader)
{
	struct trace_timens here;

	if (!unshare_time(5))
		return 1;
	trace_clock_here(&here);
	if (here.is_known || here.id == reader->id)
		return 2;
	trace_clock_init(reader);
	return is_now(read_clock() + 1000 * SECOND) ? 0 : 3;
}

Test(trace_timens, unshared_in_another_than_the_readers)
{
	struct trace_timens reader;
	pid_t child;

	trace_clock_here(&reader);
	if (!reader.is_known || reader.offset || !unshare_time(1000))
		cr_skip_test("no time namespace can be made here, or this is one");
	child = fork();
	if (child == 0)
		_exit(run_unshared(&reader));
	cr_expect_eq(status_of(child), 0);
}

static int run_forked(int64_t ahead)
{
	trace_clock_after_fork();
	return is_now(read_clock() + ahead) ? 0 : 1;
}

Test(trace_timens, a_fork_goes_on_with_the_readers_clock)
{
	struct trace_timens reader;
	pid_t child;

	trace_clock_here(&reader);
	trace_clock_init(&reader);
	if (!reader.is_known || !unshare_time(reader.offset / SECOND + 1000))
		cr_skip_test("no time namespace can be made here");
	trace_clock_before_fork();
	child = fork();
	if (child == 0)
		_exit(run_forked(1000 * SECOND));
	cr_expect_eq(status_of(child), 0);
}
