/* SPDX-License-Identifier: MIT */
/*
 * threads COUNT ROUNDS: threads that allocate, format, sort, lock, wait and end, over and over;
 * what they have computed is printed in a fixed order.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS_MAX 64
#define NUMBERS	    200

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sem_t semaphore;
static __thread uint64_t seed;
static uint64_t total, results[THREADS_MAX];

static uint32_t next_number(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 40);
}

int compare(const void *a, const void *b);
void *run(void *index);

int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint64_t work(void)
{
	char **texts = calloc(NUMBERS, sizeof(*texts));
	uint64_t ret = 0;

	for (int i = 0; i < NUMBERS; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%u %.3f", next_number(), next_number() / 7.0);
		texts[i] = strdup(text);
	}
	qsort(texts, NUMBERS, sizeof(*texts), compare);
	for (int i = 0; i < NUMBERS; i++) {
		ret = ret * 31 + strtoul(texts[i], NULL, 10) + strlen(strchr(texts[i], ' '));
		free(texts[i]);
	}
	free(texts);
	return ret;
}

void *run(void *index)
{
	uint64_t ret;

	seed = (uint64_t)(intptr_t)index;
	ret = work();
	pthread_mutex_lock(&mutex);
	total += ret;
	pthread_mutex_unlock(&mutex);
	results[(intptr_t)index] += ret;
	sem_post(&semaphore);
	return NULL;
}

static void run_round(long count)
{
	pthread_t threads[THREADS_MAX];

	for (long i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i))
			exit(2);
	for (long i = 0; i < count; i++)
		sem_wait(&semaphore);
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void fork_round(long count)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		run_round(count);
		_exit(total == 0);
	}
	waitpid(pid, &status, 0);
	if (status)
		exit(3);
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 4, rounds = argc > 2 ? atol(argv[2]) : 4;
	long children = argc > 3 ? atol(argv[3]) : 0;

	if (count > THREADS_MAX)
		return 1;
	sem_init(&semaphore, 0, 0);
	for (long round = 0; round < rounds; round++) {
		run_round(count);
		if (round < children)
			fork_round(count);
	}
	for (long i = 0; i < count; i++)
		printf("%ld: %lu\n", i, (unsigned long)results[i]);
	printf("total %lu\n", (unsigned long)total);
	return 0;
}
