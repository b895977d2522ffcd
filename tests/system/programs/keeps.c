/* SPDX-License-Identifier: MIT */
/*
 * Threads that call tick(thread, n) with n = 1, 2, ..., and say how far they are in a file, which outlives
 * them: after the call. For what is left of a program that is killed.
 *
 *	keeps FILE THREADS [CHILDREN]
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS_MAX 63

struct said {
	long pid; /* of the last child, if there are some */
	volatile long done[THREADS_MAX];
};

static struct said *said;

void tick(long thread, long n);
void slow(long n);

__attribute__((noinline)) void tick(long thread, long n)
{
	__asm__ volatile("" : : "r"(thread), "r"(n) : "memory");
}

__attribute__((noinline)) void slow(long n)
{
	if (n == 1000)
		usleep(20000);
}

static void *run(void *data)
{
	long thread = (long)data;

	for (long n = 1;; n++) {
		tick(thread, n);
		said->done[thread] = n;
		if (thread == 0 && n <= 2000)
			slow(n);
	}
	return NULL;
}

static void work(long threads)
{
	pthread_t thread;

	said->pid = getpid();
	for (long i = 1; i < threads; i++)
		pthread_create(&thread, NULL, run, (void *)i);
	run(NULL);
}

int main(int argc, char **argv)
{
	int fd = argc > 2 ? open(argv[1], O_RDWR | O_CREAT, 0600) : -1;

	if (fd < 0 || ftruncate(fd, sizeof(*said)))
		return 1;
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (int i = 0; argc > 3 && i < atoi(argv[3]); i++) {
		if (fork() == 0)
			work(atol(argv[2]));
		while (wait(NULL) > 0)
			;
	}
	if (argc <= 3)
		work(atol(argv[2]));
	return 0;
}
