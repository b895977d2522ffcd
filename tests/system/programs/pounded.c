/* SPDX-License-Identifier: MIT */
/*
 * Signals that the engine owns are never blocked in the kernel, so they come at every instruction,
 * also between what the engine does for a guarded call and the way back. One thread sends them to
 * another as fast as it can, and what that one calls must do what it does without them.
 */
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#endif

enum { SECONDS = 1, HITS = 2000, ROOM = 900 };

static atomic_bool stop;
static pthread_t target;
static volatile unsigned long handled, hits;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void *pound(void *sig)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	while (!stop) {
		pthread_kill(target, *(const int *)sig);
		/* Longer than a delivery takes: our handler for SIGTRAP does not block it. */
		for (volatile int i = 0; i < 20000; i++)
			;
	}
	return NULL;
}

static void while_pounded(int sig, void (*handler)(int), bool (*call)(void))
{
	double end = now() + SECONDS;
	pthread_t thread;
	bool ok = true;

	stop = false;
	target = pthread_self();
	signal(sig, handler);
	CHECK(pthread_create(&thread, NULL, pound, &sig) == 0);
	while (ok && now() < end)
		ok = call();
	stop = true;
	pthread_join(thread, NULL);
	signal(sig, SIG_IGN);
	CHECK(ok);
}

static bool block_and_unblock(void)
{
	const uint64_t set = 1ul << (SIGTRAP - 1) | 1ul << (SIGUSR2 - 1);
	uint64_t before = ~0ul, after = ~0ul;

	for (int i = 0; i < 100; i++) {
		syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &before, sizeof(set));
		syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, &after, sizeof(set));
		if (before != 0 || after != set)
			return false;
	}
	return true;
}

static void masks_are_kept(void)
{
	while_pounded(SIGSEGV, on_signal, block_and_unblock);
	while_pounded(SIGSEGV, SIG_IGN, block_and_unblock);
	while_pounded(SIGTRAP, on_signal, block_and_unblock);
}

static bool make_child(void)
{
	struct clone_args args = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args)), waited;
	int status = -1;

	if (pid == 0)
		syscall(SYS_exit, 7);
	if (pid < 0)
		return errno == ENOSYS || errno == EINTR || errno == EINVAL;
	do
		waited = waitpid((pid_t)pid, &status, 0);
	while (waited < 0 && errno == EINTR);
	return waited == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

static void children_are_made(void)
{
	while_pounded(SIGSEGV, on_signal, make_child);
}

/* For SIGSEGV, say, while SIGTRAP's handler runs: that ends the wait. */
static bool wait_for_another(void)
{
	const struct timespec timeout = {2, 0};
	unsigned long before = handled;
	double begin = now();
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	return sigtimedwait(&set, NULL, &timeout) == -1 && errno == EINTR && handled != before &&
	       now() - begin < 1.5;
}

static void handlers_end_waits(void)
{
	while_pounded(SIGTRAP, on_signal, wait_for_another);
}

void be_hit(void);
__attribute__((noinline)) void be_hit(void)
{
	__asm__ volatile("nop; nop; nop; nop; nop");
	hits++;
}

/* The frame of a call that was made before, and its handler ended, lies where nothing is written. */
__attribute__((noinline)) static void be_hit_below(void)
{
	__attribute__((unused)) volatile char room[ROOM];

	room[0] = 0;
	be_hit();
	room[1] = 0;
}

static void hits_are_no_calls(void)
{
	const struct itimerval often = {{0, 30}, {0, 30}}, never = {{0, 0}, {0, 0}};
	unsigned long expected = hits;
	double end = now() + SECONDS;
	sigset_t none;

	sigemptyset(&none);
	signal(SIGALRM, on_signal);
	setitimer(ITIMER_REAL, &often, NULL);
	while (now() < end) {
		sigsuspend(&none);
		for (int i = 0; i < HITS; i++, expected++)
			be_hit_below();
	}
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK(hits == expected);
}

static const struct check_case cases[] = {
	{"masks_are_kept", masks_are_kept},
	{"children_are_made", children_are_made},
	{"handlers_end_waits", handlers_end_waits},
	{"hits_are_no_calls", hits_are_no_calls},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(60);
	return check_main(argc, argv, cases);
}
