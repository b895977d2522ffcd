/* SPDX-License-Identifier: MIT */
/*
 * Locks its memory, as a user who may not lock much, and then starts threads. Prints what the calls
 * said, and, asked for "sizes", how much is mapped and locked.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define THREADS 4
#define STACK	(64ul << 10)
#define BLOCK	(64ul << 10)

void probed(void);
void probed(void)
{
	__asm__ volatile("");
}

static void *run(void *unused)
{
	(void)unused;
	for (int i = 0; i < 100; i++)
		probed();
	return NULL;
}

static void start_threads(void)
{
	pthread_t threads[THREADS];
	pthread_attr_t attributes;
	int failed = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	for (int i = 0; i < THREADS; i++)
		failed |= pthread_create(&threads[i], &attributes, run, NULL);
	for (int i = 0; i < THREADS && !failed; i++)
		pthread_join(threads[i], NULL);
	printf("threads %d\n", failed);
}

static void report(const char *what, int ret)
{
	printf("%s %d %s\n", what, ret, ret ? strerror(errno) : "");
}

/* As a user, not as root, whom no limit holds. */
static void become_user(rlim_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		perror("getrlimit");
	if (limit.rlim_max > bytes)
		limit.rlim_max = bytes;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) || (geteuid() == 0 && setuid(65534)))
		perror("setrlimit, setuid");
}

static void print_sizes(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "VmSize", 6) == 0 || strncmp(line, "VmLck", 5) == 0)
			fputs(line, stdout);
	if (file)
		fclose(file);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	char *block = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	become_user(32ul << 20);
	if (strcmp(how, "before") == 0) /* locked while there is one thread */
		report("mlockall", mlockall(MCL_CURRENT | MCL_FUTURE));
	if (strcmp(how, "current") == 0)
		report("mlockall", mlockall(MCL_CURRENT));
	if (strcmp(how, "future") == 0)
		report("mlockall", mlockall(MCL_FUTURE));
	if (strcmp(how, "onfault") == 0)
		report("mlockall", mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
	if (strcmp(how, "mlock2") == 0)
		report("mlock2", mlock2(block, BLOCK, MLOCK_ONFAULT));
	start_threads();
	if (strcmp(how, "after") == 0)
		report("mlockall", mlockall(MCL_CURRENT | MCL_FUTURE));
	report("mlock", mlock(block, BLOCK));
	if (argc > 2)
		print_sizes();
	run(NULL);
	return 0;
}
