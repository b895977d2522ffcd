/* SPDX-License-Identifier: MIT */
/*
 * scribbles SECONDS SEED: is probed, and writes random values over all that it can see of the session,
 * what it has mapped and what it finds by the path in its environment, while children of it are hit. They
 * may die of it, and are replaced; this process does as little as it can, and ends with 0.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RANGES	  64
#define WHOLE	  (64ul << 20) /* bytes of the file: header and tables, and the first heap's begin */
#define WORKERS	  2
#define AT_ONCE	  64
#define BREATH_US 50

static struct {
	uint64_t *start;
	uint64_t words;
} ranges[RANGES];
static int range_count;
static uint64_t state;

long hit_me(long number);

__attribute__((noinline)) long hit_me(long number)
{
	__asm__ volatile("" : "+r"(number));
	return number * 3 + 1;
}

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void add_range(void *start, uint64_t size)
{
	if (range_count == RANGES || start == MAP_FAILED)
		return;
	ranges[range_count].start = start;
	ranges[range_count++].words = size / 8;
}

static void find_ranges(void)
{
	const char *path = getenv("EMUPROBE_SESSION");
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int fd;

	while (maps && fgets(line, sizeof(line), maps)) {
		unsigned long start, end;

		/* Not the engine's code, which is a file of another name. */
		if (strstr(line, "/memfd:emuprobe (deleted)") && strstr(line, " rw-s ") &&
		    sscanf(line, "%lx-%lx", &start, &end) == 2)
			add_range((void *)start, end - start);
	}
	if (maps)
		fclose(maps);
	fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (ftruncate(fd, 4096) == 0 || ftruncate(fd, 1l << 20) == 0)
		fprintf(stderr, "the session could be cut off\n");
	add_range(mmap(NULL, WHOLE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), WHOLE);
	close(fd);
}

/* What looks as if it belonged there does the most harm. */
static uint64_t value_for(const uint64_t *near)
{
	switch (next_random() % 8) {
	case 0:
		return next_random();
	case 1:
		return next_random() % 8;
	case 2:
		return 1ull << next_random() % 64;
	case 3:
		return *near ^ 1ull << next_random() % 64;
	case 4:
		return next_random() % (1ull << 45) & ~7ull;
	case 5:
		return (next_random() % 8) << 32 | next_random() % 8;
	case 6:
		return ranges[0].start[next_random() % ranges[0].words];
	default:
		return next_random() % 2 ? 0 : UINT64_MAX;
	}
}

/* Most of it where there is something: at the beginnings. */
static void scribble(void)
{
	for (int i = 0; i < AT_ONCE; i++) {
		int range = (int)(next_random() % (unsigned int)range_count);
		uint64_t within = ranges[range].words >> next_random() % 12;
		uint64_t *to = &ranges[range].start[next_random() % (within ? within : 1)];

		*to = value_for(to);
	}
	usleep(BREATH_US);
}

static pid_t start_child(int kind)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	while (getppid() == parent) {
		if (kind == 0)
			scribble();
		for (long i = 0; kind && i < 1000; i++)
			hit_me(i);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 1);
	pid_t children[WORKERS + 1] = {0};

	state = argc > 2 ? strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15 + 1 : 1;
	find_ranges();
	if (!range_count)
		return 1;
	while (time(NULL) < end) {
		for (int i = 0; i <= WORKERS; i++) {
			if (children[i] > 0 && waitpid(children[i], NULL, WNOHANG) == 0)
				continue;
			state += (uint64_t)i + 1;
			children[i] = start_child(i);
		}
		usleep(10000);
	}
	for (int i = 0; i <= WORKERS; i++)
		if (children[i] > 0)
			kill(children[i], SIGKILL);
	puts("scribbled");
	return 0;
}
