/* SPDX-License-Identifier: MIT */
/* Eight threads that use much of libc; prints the same in whatever order they run. */
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 400 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t total;

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint64_t hash(const char *text)
{
	uint64_t value = 5381;

	while (*text)
		value = value * 33 + (uint8_t)*text++;
	return value;
}

/* A jump table. */
static uint64_t mix(uint64_t value)
{
	switch (value % 7) {
	case 0:
		return value / 3;
	case 1:
		return value * 5 + 1;
	case 2:
		return value ^ value >> 7;
	case 3:
		return value << 3;
	case 4:
		return ~value;
	case 5:
		return value - 12345;
	default:
		return value | 1;
	}
}

static void leave(jmp_buf *buf, int depth)
{
	if (depth > 0)
		leave(buf, depth - 1);
	else if (buf)
		longjmp(*buf, 1);
}

static uint64_t run_once(unsigned int seed)
{
	char *texts[16];
	volatile uint64_t value = 0;
	jmp_buf buf;

	for (int i = 0; i < 16; i++)
		if (asprintf(&texts[i], "%u-%.3f", rand_r(&seed) % 1000, rand_r(&seed) / 1e3) < 0)
			abort();
	qsort(texts, 16, sizeof(texts[0]), by_text);
	for (int i = 0; i < 16; i++) {
		value = mix(value ^ hash(texts[i]));
		free(texts[i]);
	}
	if (setjmp(buf) == 0)
		leave(&buf, 5);
	return value;
}

static void *run(void *data)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < ROUNDS; i++)
		sum += run_once((unsigned int)(uintptr_t)data * ROUNDS + i);
	pthread_mutex_lock(&mutex);
	total += sum;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, run, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%016lx\n", total);
	return 0;
}
