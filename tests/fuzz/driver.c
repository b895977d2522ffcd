/* SPDX-License-Identifier: MIT */
/*
 * Runs a harness without libFuzzer: "fuzz-NAME RUNS SECONDS SEED FILE|FOLDER...". Each run changes
 * one of the files a little, or not at all, as the seed says; whichever comes first of RUNS and
 * SECONDS ends it. It runs in a child; the input of which that died is kept in ./fuzz-crash, to
 * become a named case.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/harness.h"

#define SEEDS_MAX   512
#define INPUT_MAX   (64u << 10)
#define CHANGES_MAX 8

struct input {
	size_t size;
	uint8_t bytes[INPUT_MAX];
};

/* In memory that survives the child. */
struct progress {
	uint64_t runs;
	struct input input;
};

static struct input *seeds[SEEDS_MAX];
static size_t seed_count;
static uint64_t state;

/* xorshift64* */
static uint64_t next(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1du;
}

static uint64_t below(uint64_t limit)
{
	return limit ? next() % limit : 0;
}

/* ---- files --------------------------------------------------------------------------------- */

static void add_file(const char *path)
{
	FILE *file = fopen(path, "r");
	struct input *input = calloc(1, sizeof(*input));

	if (!file || !input || seed_count == SEEDS_MAX) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(2);
	}
	input->size = fread(input->bytes, 1, INPUT_MAX, file);
	fclose(file);
	seeds[seed_count++] = input;
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void add(const char *path)
{
	struct dirent **entries;
	struct stat status;
	int count;

	if (stat(path, &status) || !S_ISDIR(status.st_mode)) {
		add_file(path);
		return;
	}
	count = scandir(path, &entries, is_file, alphasort);
	for (int i = 0; i < count; i++) {
		char file[512];

		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		add_file(file);
		free(entries[i]);
	}
	free(entries);
}

/* ---- changes ------------------------------------------------------------------------------- */

static size_t offset_in(const struct input *input)
{
	uint64_t pick = next();

	if (fuzz_offset && (pick & 3))
		return fuzz_offset(input->bytes, input->size, pick >> 2) % (input->size + 1);
	return (size_t)below(input->size + 1);
}

/* What sizes and offsets are wrong by: ends of ranges, and a little beside them. */
static uint64_t interesting(void)
{
	uint64_t value = 1ull << below(64);

	switch (below(5)) {
	case 0:
		return value - 1;
	case 1:
		return -value;
	case 2:
		return below(64);
	case 3:
		return next();
	default:
		return value;
	}
}

static void overwrite(struct input *input, size_t at)
{
	static const size_t sizes[] = {1, 2, 4, 8};
	uint64_t value = interesting();
	size_t size = sizes[below(4)];

	if (size > input->size - at)
		size = input->size - at;
	memcpy(input->bytes + at, &value, size);
}

static void copy_within(struct input *input, size_t at)
{
	size_t from = (size_t)below(input->size + 1), left = input->size - (from > at ? from : at);

	memmove(input->bytes + at, input->bytes + from, (size_t)below(left < 64 ? left + 1 : 64));
}

static void insert(struct input *input, size_t at)
{
	size_t size = 1 + (size_t)below(8);

	if (input->size + size > INPUT_MAX)
		return;
	memmove(input->bytes + at + size, input->bytes + at, input->size - at);
	for (size_t i = 0; i < size; i++)
		input->bytes[at + i] = (uint8_t)next();
	input->size += size;
}

static void take_out(struct input *input, size_t at)
{
	size_t left = input->size - at, size = (size_t)below(left < 9 ? left + 1 : 9);

	memmove(input->bytes + at, input->bytes + at + size, left - size);
	input->size -= size;
}

static void change(struct input *input)
{
	size_t at = offset_in(input);

	switch (below(16)) {
	case 0:
		insert(input, at);
		return;
	case 1:
		take_out(input, at);
		return;
	case 2:
		input->size = at;
		return;
	case 3:
	case 4:
		copy_within(input, at);
		return;
	case 5:
	case 6:
	case 7:
		if (at < input->size)
			input->bytes[at] ^= (uint8_t)(1u << below(8));
		return;
	default:
		overwrite(input, at);
	}
}

/* ---- runs ---------------------------------------------------------------------------------- */

static void make_input(uint64_t run, struct input *ret)
{
	const struct input *seed = seeds[below(seed_count)];
	uint64_t changes = run < seed_count ? 0 : 1 + below(CHANGES_MAX);

	if (run < seed_count)
		seed = seeds[run];
	ret->size = seed->size;
	memcpy(ret->bytes, seed->bytes, seed->size);
	while (changes--)
		change(ret);
}

static void run_all(uint64_t runs, double seconds, struct progress *progress)
{
	time_t end = time(NULL) + (time_t)seconds;

	for (; progress->runs < runs && (progress->runs < seed_count || time(NULL) < end);
	     progress->runs++) {
		uint8_t *exact; /* a sanitizer sees a read behind it */

		make_input(progress->runs, &progress->input);
		exact = malloc(progress->input.size + !progress->input.size);
		memcpy(exact, progress->input.bytes, progress->input.size);
		LLVMFuzzerTestOneInput(exact, progress->input.size);
		free(exact);
	}
}

static int report(const struct progress *progress, int status)
{
	FILE *file;

	printf("%lu inputs\n", progress->runs);
	if (status == 0)
		return 0;
	file = fopen("fuzz-crash", "w");
	if (file) {
		fwrite(progress->input.bytes, 1, progress->input.size, file);
		fclose(file);
	}
	printf("status %#x; the input is in ./fuzz-crash\n", (unsigned)status);
	return 1;
}

int main(int argc, char **argv)
{
	struct progress *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t child;

	if (argc < 5 || progress == MAP_FAILED) {
		fprintf(stderr, "usage: %s RUNS SECONDS SEED FILE|FOLDER...\n", argv[0]);
		return 2;
	}
	for (int i = 4; i < argc; i++)
		add(argv[i]);
	if (!seed_count)
		return 2;
	state = 0x9e3779b97f4a7c15u * (2 * strtoull(argv[3], NULL, 0) + 1);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		run_all(strtoull(argv[1], NULL, 0), atof(argv[2]), progress);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return report(progress, status);
}
