/* SPDX-License-Identifier: MIT */
/*
 * Some threads stay, many come and go, several at a time. "target N" is how often that is called; "grown N" by how many KiB the
 * process has become larger since a quarter of them had been there.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

#define STAY	26
#define AT_ONCE 12
#define ROUNDS	1600
#define CALLS	3
#define STACK	(64u << 10)

static pthread_barrier_t met, over;
static volatile long calls;

void target(void);

__attribute__((noinline)) void target(void)
{
	__asm__ volatile("lea (%%rdi), %%rdi; lea (%%rsi), %%rsi" : : "m"(calls));
}

static void *stays(void *unused)
{
	target();
	pthread_barrier_wait(&met);
	pthread_barrier_wait(&over);
	return unused;
}

static void *goes(void *unused)
{
	for (int i = 0; i < CALLS; i++)
		target();
	return unused;
}

static long size_of_process(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long kib = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "VmRSS: %ld", &kib);
	fclose(file);
	return kib;
}

int main(void)
{
	pthread_t stay[STAY], go[AT_ONCE];
	pthread_attr_t attr;
	long before = 0;

	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setstacksize(&attr, STACK) == 0);
	CHECK(pthread_barrier_init(&met, NULL, STAY + 1) == 0);
	CHECK(pthread_barrier_init(&over, NULL, STAY + 1) == 0);
	for (int i = 0; i < STAY; i++)
		CHECK(pthread_create(&stay[i], &attr, stays, NULL) == 0);
	pthread_barrier_wait(&met);
	for (int round = 0; round < ROUNDS; round++) {
		if (round == ROUNDS / 4)
			before = size_of_process();
		for (int i = 0; i < AT_ONCE; i++)
			CHECK(pthread_create(&go[i], &attr, goes, NULL) == 0);
		for (int i = 0; i < AT_ONCE; i++)
			CHECK(pthread_join(go[i], NULL) == 0);
	}
	printf("target %d\ngrown %ld\n", STAY + ROUNDS * AT_ONCE * CALLS,
	       size_of_process() - before);
	pthread_barrier_wait(&over);
	for (int i = 0; i < STAY; i++)
		CHECK(pthread_join(stay[i], NULL) == 0);
	return 0;
}
