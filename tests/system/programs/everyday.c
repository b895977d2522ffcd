/* SPDX-License-Identifier: MIT */
/*
 * everyday [fault | wait]: threads, signals, the heap; whatever tool looks on or has instrumented it,
 * the same output, and status 6. "wait": until there is a SIGUSR2.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t handled, is_over;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		handled++;
	else
		is_over = 1;
}

static void *work(void *data)
{
	char *text = malloc(100);

	strcpy(text, "work");
	__asm__ volatile("" ::"r"(text) : "memory"); /* none of this may be optimized away */
	free(text);
	return data;
}

__attribute__((noinline)) void say(const char *text);
__attribute__((noinline)) void say(const char *text)
{
	puts(text);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	for (int i = 0; i < 10; i++) {
		pthread_create(&thread, NULL, work, NULL);
		pthread_join(thread, NULL);
		raise(SIGUSR1);
	}
	say("hello");
	if (argc > 1 && strcmp(argv[1], "fault") == 0)
		*(volatile int *)(uintptr_t)argc = 1;
	if (argc > 1 && strcmp(argv[1], "wait") == 0)
		for (int i = 0; i < 30000 && !is_over; i++) { /* five minutes */
			usleep(10000);
			work(NULL);
		}
	say(handled == 10 ? "done" : "signals are missing");
	return 6;
}
