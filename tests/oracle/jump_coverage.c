/* SPDX-License-Identifier: MIT */
/*
 * How much of real code can be promoted to a jump: "jump-coverage [FILE...]" prints a table for
 * function entries and one for all instructions, for each of the plans `auto` and `jump`, with the
 * reasons for the rest. Each object is judged in a process of its own that has really loaded it,
 * since it matters where (jump_survey.c).
 */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/oracle/jump_survey.h"

static const char *const default_paths[] = {
	"/lib/x86_64-linux-gnu/libc.so.6",
	"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
	"/usr/lib/x86_64-linux-gnu/libsqlite3.so.0",
	"/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
	"/usr/bin/python3",
	"/usr/bin/node",
	EP_CC1,
	NULL,
};

#define OBJECTS_MAX 64

static const char *basename_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Shared libraries are loaded into a program that does nothing. */
static void run_child(const char *path, int result)
{
	bool library = strstr(basename_of(path), ".so");
	char preload[4096], number[16];
	const char *program = library ? "/bin/true" : path;

	snprintf(preload, sizeof(preload), "%s/libjump-survey.so%s%s", EP_BUILD_DIR,
		 library ? ":" : "", library ? path : "");
	snprintf(number, sizeof(number), "%d", result);
	setenv("LD_PRELOAD", preload, 1);
	setenv(SURVEY_OBJECT, library ? basename_of(path) : "", 1);
	setenv(SURVEY_RESULT, number, 1);
	execl(program, program, NULL);
	_exit(127);
}

static bool survey_of(const char *path, struct survey *ret)
{
	int ends[2];
	bool done;
	pid_t child;

	if (access(path, R_OK) != 0 || pipe(ends) != 0)
		return false;
	child = fork();
	if (child == 0) {
		close(ends[0]);
		run_child(path, ends[1]);
	}
	close(ends[1]);
	done = read(ends[0], ret, sizeof(*ret)) == sizeof(*ret);
	close(ends[0]);
	waitpid(child, NULL, 0);
	return done;
}

/* ---- tables -------------------------------------------------------------------------------- */

/* Columns of their own; all else is a refusal. */
static const int reasons[] = {
	EP_JUMP_CODE, EP_JUMP_TARGET, EP_JUMP_ENTRY, EP_JUMP_RETURN, EP_NOT_JUMPED, EP_OUT_OF_REACH,
};
#define REASONS (sizeof(reasons) / sizeof(reasons[0]))

static double percent(uint64_t part, uint64_t all)
{
	return all ? 100.0 * (double)part / (double)all : 0;
}

static void print_header(const char *what, const char *plan)
{
	printf("\n%s, plan %s\n%-20s %9s %9s", what, plan, "", "count", "promoted");
	for (size_t i = 0; i < REASONS; i++)
		printf(" %15s", ep_error_name(reasons[i]));
	printf(" %9s\n", "refused");
}

static void print(const char *path, const struct survey_counts *counts)
{
	uint64_t rest = counts->all - counts->of[0];

	printf("%-20s %9lu %8.3f%%", basename_of(path), counts->all,
	       percent(counts->of[0], counts->all));
	for (size_t i = 0; i < REASONS; i++) {
		rest -= counts->of[reasons[i]];
		printf(" %14.3f%%", percent(counts->of[reasons[i]], counts->all));
	}
	printf(" %8.3f%%\n", percent(rest, counts->all));
}

static void print_memory(const char *path, const struct survey *survey)
{
	printf("%-20s %9lu %9lu %11.1f %11.1f %9.0f %10lu %9.3f%%\n", basename_of(path),
	       survey->jumps, survey->mappings * 2, (double)survey->used / (1 << 20),
	       (double)survey->reserved / (1 << 20), (double)survey->nanoseconds / 1e6,
	       survey->tried, percent(survey->out_of_reach, survey->tried));
}

static void print_plan(const char *const *paths, const struct survey *surveys, int plan,
		       const char *name)
{
	print_header("function entries", name);
	for (int i = 0; i < OBJECTS_MAX && paths[i]; i++)
		if (surveys[i].entries[plan].all)
			print(paths[i], &surveys[i].entries[plan]);
	print_header("all instructions", name);
	for (int i = 0; i < OBJECTS_MAX && paths[i]; i++)
		if (surveys[i].insns[plan].all)
			print(paths[i], &surveys[i].insns[plan]);
}

int main(int argc, char **argv)
{
	static struct survey surveys[OBJECTS_MAX];
	const char *const *paths = argc > 1 ? (const char *const *)argv + 1 : default_paths;

	for (int i = 0; i < OBJECTS_MAX && paths[i]; i++)
		if (!survey_of(paths[i], &surveys[i]))
			fprintf(stderr, "jump-coverage: %s: no result\n", paths[i]);
	print_plan(paths, surveys, SURVEY_AUTO, "auto");
	print_plan(paths, surveys, SURVEY_JUMP, "jump");
	for (int e = 0; e < (int)REASONS; e++)
		printf("%s%s: %s\n", e ? "" : "\n", ep_error_name(reasons[e]),
		       ep_strerror(reasons[e]));
	printf("\nall function entries at once, and some of all instructions\n"
	       "%-20s %9s %9s %11s %11s %9s %10s %10s\n",
	       "", "jumps", "mappings", "used, MiB", "space, MiB", "ms", "tried", "no address");
	for (int i = 0; i < OBJECTS_MAX && paths[i]; i++)
		if (surveys[i].jumps)
			print_memory(paths[i], &surveys[i]);
	return 0;
}
