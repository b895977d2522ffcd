/* SPDX-License-Identifier: MIT */
/*
 * The library used where programs begin and end: constructors, atexit(), destructors, signal handlers
 * that come in the middle of all that.
 */
#include <emuprobe.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>

#include "check.h"

long target(long number);

__attribute__((noinline)) long target(long number)
{
	__asm__ volatile("" : "+r"(number));
	return number * 2 + 1;
}

static struct ep_probe *of_constructor, *of_exit;
static volatile long called;

static void handle(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	called++;
}

static uint64_t hits_of(const struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	CHECK(ep_probe_info(probe, &info) == 0);
	return info.hits;
}

__attribute__((constructor)) static void constructor(void)
{
	const struct ep_options options = {.size = sizeof(options), .handler = handle};

	CHECK(ep_probe_create((const void *)target, &options, &of_constructor) == 0);
	CHECK(target(1) == 3 && called == 1 && hits_of(of_constructor) == 1);
}

/* Behind all of atexit(). */
__attribute__((destructor)) static void destructor(void)
{
	struct ep_probe *late, *both[2] = {of_constructor, of_constructor};

	CHECK(target(1) == 3);
	CHECK(ep_probe_create((const void *)target, NULL, &late) == 0);
	CHECK(target(1) == 3 && hits_of(late) == 1);
	CHECK(ep_probe_remove_batch(both, 2) == -EP_INVALID);
	CHECK(ep_probe_remove(of_exit) == -EP_INVALID);
	CHECK(target(1) == 3 && hits_of(late) == 2);
	/* It stays: there is nobody left who could remove it. */
	fflush(stdout);
	if (check_failures)
		_exit(1);
}

static void at_exit(void)
{
	CHECK(hits_of(of_exit) > 0);
	CHECK(ep_probe_remove(of_exit) == 0);
	CHECK(ep_probe_remove(of_exit) == -EP_INVALID);
	ep_probe_enable(of_exit);
	ep_probe_disable(of_exit);
}

static void on_alarm(int sig)
{
	(void)sig;
	ep_probe_disable(of_exit);
	ep_probe_enable(of_exit);
	CHECK(target(2) == 5);
}

/* Probes come and go while signal handlers enable another one, and this one. */
static void *create_and_remove(void *data)
{
	(void)data;
	for (int i = 0; i < 300; i++) {
		struct ep_probe *probe;

		CHECK(ep_probe_create((const void *)target, NULL, &probe) == 0);
		CHECK(target(3) == 7 && hits_of(probe) >= 1);
		CHECK(ep_probe_remove(probe) == 0);
	}
	return NULL;
}

int main(void)
{
	const struct itimerval often = {{0, 500}, {0, 500}};
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	pthread_t threads[2];

	CHECK(ep_probe_create((const void *)target, NULL, &of_exit) == 0);
	atexit(at_exit);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, create_and_remove, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	puts("well used");
	return 0;
}
