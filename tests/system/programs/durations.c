/* SPDX-License-Identifier: MIT */
/*
 * durations WHAT: functions that know how long they take. Prints "NAME CALLS LEAST MOST" for each: how often
 * it was called, and the time in it in nanoseconds, of outermost calls, as seen from inside of it and by
 * who calls it; "own" is outer()'s without what it calls.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct known {
	uint64_t calls, least, most;
};

static struct known sleeper_known, busy_known, outer_known, own_known, descend_known;
static uint64_t inside; /* least of what outer() calls */

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t sleeper(void);
uint64_t busy(void);
uint64_t outer(void);
uint64_t descend(int depth);
int quick(int number);
void stays(int how);

uint64_t sleeper(void)
{
	uint64_t start = now();

	usleep(1000);
	return now() - start;
}

uint64_t busy(void)
{
	uint64_t start = now();

	while (now() - start < 500000)
		;
	return now() - start;
}

static void call(uint64_t (*function)(void), struct known *known)
{
	uint64_t start = now();

	known->least += function();
	known->most += now() - start;
	known->calls++;
}

/* What is not in the others. */
uint64_t outer(void)
{
	uint64_t least = sleeper_known.least + busy_known.least;
	uint64_t most = sleeper_known.most + busy_known.most, start = now(), took;

	call(sleeper, &sleeper_known);
	call(busy, &busy_known);
	call(sleeper, &sleeper_known);
	took = now() - start;
	own_known.least += took - (sleeper_known.most + busy_known.most - most);
	inside += sleeper_known.least + busy_known.least - least;
	return took;
}

uint64_t descend(int depth)
{
	uint64_t start = now();

	if (depth)
		descend(depth - 1);
	else
		usleep(2000);
	__asm__ volatile("" : : : "memory");
	return now() - start;
}

int quick(int number)
{
	__asm__ volatile("" : "+r"(number));
	return number;
}

void stays(int how)
{
	if (how)
		kill(getpid(), how);
	_exit(0);
}

static void print(const char *name, const struct known *known)
{
	printf("%s %lu %lu %lu\n", name, known->calls, known->least, known->most);
}

static void nest(void)
{
	for (int i = 0; i < 10; i++)
		call(outer, &outer_known);
	call(busy, &busy_known);
	own_known.most = outer_known.most - inside;
	print("outer", &outer_known);
	print("own", &own_known);
	print("sleeper", &sleeper_known);
	print("busy", &busy_known);
}

static void recurse(void)
{
	for (int i = 0; i < 5; i++) {
		uint64_t start = now();

		descend_known.least += descend(i);
		descend_known.most += now() - start;
		descend_known.calls += (uint64_t)i + 1;
	}
	print("descend", &descend_known);
}

static void *call_quick(void *data)
{
	for (int i = 0; i < 16000; i++)
		quick(i);
	return data;
}

static void run_threads(void)
{
	pthread_t threads[4];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++)
			pthread_create(&threads[i], NULL, call_quick, NULL);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
	}
}

static void run_child(void)
{
	pid_t pid;

	for (int i = 0; i < 3; i++)
		quick(i);
	pid = fork();
	for (int i = 0; i < 4; i++)
		quick(i);
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "nest") == 0)
		nest();
	else if (strcmp(what, "recurse") == 0)
		recurse();
	else if (strcmp(what, "threads") == 0)
		run_threads();
	else if (strcmp(what, "fork") == 0)
		run_child();
	else if (strcmp(what, "exits") == 0)
		stays(0);
	else if (strcmp(what, "killed") == 0) {
		call_quick(NULL);
		stays(SIGKILL);
	}
	return 0;
}
