/* SPDX-License-Identifier: MIT */
/*
 * What uftrace is measured with: it replaces five nops that the compiler leaves at a function's
 * start. Prints nanoseconds for each call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

__attribute__((noinline, patchable_function_entry(5, 0))) void traced(void);

void traced(void)
{
	__asm__ volatile("");
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int argc, char **argv)
{
	long loops = argc > 1 ? atol(argv[1]) : 1;
	void (*volatile function)(void) = traced;
	double start = now();

	for (long i = 0; i < loops; i++)
		function();
	printf("%.3f\n", (now() - start) / (double)loops);
	return 0;
}
