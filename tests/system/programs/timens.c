/* SPDX-License-Identifier: MIT */
/*
 * timens START OFFSET OFFSET: calls step(1), step(2), ... in one time namespace behind the other, which
 * add so many seconds to CLOCK_MONOTONIC, and prints for each call its number, and between which
 * times by its own clock, and by that of a namespace which adds START seconds, it was made.
 *
 *	first process	1, unshare(), 2, fork(), ................................... 8
 *	child				 3, unshare(), 4, vfork() and exec ......... 7
 *	grandchild						   5, 6
 *
 * The one that is executed is in the last namespace where Linux moves it there at execve() (since
 * 6.1), else in its parent's; "timens START OFFSET" reckons with both.
 *
 * timens enter OFFSET COMMAND...: a child executes the command in such a namespace.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

void step(long number);

__attribute__((noinline)) void step(long number)
{
	__asm__ volatile("" : : "r"(number));
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* @ahead: seconds by which this clock is ahead of START. */
static void make_step(long number, long ahead)
{
	long long before = now(), after;

	step(number);
	after = now();
	printf("%ld %lld %lld %lld %lld\n", number, before, after, before - ahead * 1000000000ll,
	       after - ahead * 1000000000ll);
	fflush(stdout);
}

static ino_t number_of(const char *name)
{
	struct stat status;

	return stat(name, &status) ? 0 : status.st_ino;
}

/* What a new namespace adds is counted from the first of all, not from this one. */
static long offset_here(void)
{
	FILE *file = fopen("/proc/self/timens_offsets", "r");
	long ret = 0;

	if (!file || fscanf(file, "monotonic %ld", &ret) != 1)
		exit(3);
	fclose(file);
	return ret;
}

static void enter(long offset)
{
	char text[64];
	int size, fd;

	if (unshare(CLONE_NEWTIME))
		exit(77);
	size = snprintf(text, sizeof(text), "monotonic %ld 0\nboottime %ld 0\n", offset, offset);
	fd = open("/proc/self/timens_offsets", O_WRONLY);
	if (fd < 0 || write(fd, text, (size_t)size) != size)
		exit(77);
	close(fd);
}

static int join(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int run_in(long offset, char **argv)
{
	pid_t child;

	enter(offset);
	child = fork();
	if (child == 0) {
		execvp(argv[0], argv);
		_exit(4);
	}
	return join(child);
}

static int run_executed(const char *start, const char *parents)
{
	int moved = number_of("/proc/self/ns/time") == number_of("/proc/self/ns/time_for_children");
	long ahead = moved ? offset_here() - atol(start) : atol(parents);

	make_step(5, ahead);
	make_step(6, ahead);
	return 0;
}

static int run_child(char *self, char *start, long first, long second)
{
	char ahead[32];
	pid_t executed;
	int status;

	snprintf(ahead, sizeof(ahead), "%ld", first);
	make_step(3, first);
	enter(atol(start) + second);
	make_step(4, first);
	executed = vfork();
	if (executed == 0) {
		execl(self, self, start, ahead, (char *)NULL);
		_exit(4);
	}
	status = join(executed);
	make_step(7, first);
	return status;
}

int main(int argc, char **argv)
{
	long ahead;
	pid_t child;
	int status;

	if (argc > 3 && strcmp(argv[1], "enter") == 0)
		return run_in(atol(argv[2]), argv + 3);
	if (argc == 3)
		return run_executed(argv[1], argv[2]);
	if (argc != 4)
		return 2;
	ahead = offset_here() - atol(argv[1]);
	make_step(1, ahead);
	enter(atol(argv[1]) + atol(argv[2]));
	make_step(2, ahead);
	child = fork();
	if (child == 0)
		_exit(run_child(argv[0], argv[1], atol(argv[2]), atol(argv[3])));
	status = join(child);
	make_step(8, ahead);
	return status;
}
