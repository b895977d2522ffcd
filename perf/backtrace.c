/* SPDX-License-Identifier: MIT */
/*
 * A stack of ten or thirty frames, as one unwinder and the other sees it from the same function. Ours is
 * asked in a probe's handler, which stands there and is hit once a burst; the others in the function itself.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>

#include "include/emuprobe.h"
#include "perf/harness.h"

#define FRAMES_MAX 64

enum unwinder { OURS, LIBUNWIND, GLIBC };

struct subject {
	enum unwinder unwinder;
	int depth; /* frames that are asked for */
	uint64_t loops;
};

static int (*libunwind_backtrace)(void **, int);
static void *frames[FRAMES_MAX];

static void forget_nothing(int depth)
{
	__asm__ volatile("" : : "r"(depth) : "memory");
}

/* The innermost: what is probed, and loops. */
static __attribute__((noinline)) void innermost(const struct subject *subject)
{
	for (uint64_t i = 0; i < subject->loops; i++) {
		int count = subject->unwinder == LIBUNWIND
				    ? libunwind_backtrace(frames, subject->depth)
			    : subject->unwinder == GLIBC ? backtrace(frames, subject->depth)
							 : subject->depth;

		if (count != subject->depth)
			abort();
	}
	__asm__ volatile("");
}

static void handle(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	const struct subject *subject = *(const struct subject *const *)cookie;

	(void)probe;
	if (subject->unwinder != OURS)
		return;
	for (uint64_t i = 0; i < subject->loops; i++)
		if (ep_backtrace(regs, (uint64_t *)frames, (size_t)subject->depth) !=
		    (size_t)subject->depth)
			abort();
}

static __attribute__((noinline)) void descend(const struct subject *subject, int depth)
{
	if (depth > 0)
		descend(subject, depth - 1);
	else
		innermost(subject);
	forget_nothing(depth);
}

static const struct subject *current;

static void run(void *data, uint64_t loops)
{
	struct subject *subject = data;

	subject->loops = loops;
	current = subject;
	descend(subject, subject->depth);
}

static const char *load_libunwind(void)
{
	void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return "libunwind.so.8 is not installed";
	*(void **)&libunwind_backtrace = dlsym(library, "unw_backtrace");
	return libunwind_backtrace ? NULL : "it has no unw_backtrace()";
}

/* What is worked out once, and kept, is no part of it. */
static const char *begin(void *data)
{
	const struct subject *subject = data;
	const char *why = NULL;

	if (subject->unwinder == LIBUNWIND && !libunwind_backtrace)
		why = load_libunwind();
	if (!why)
		run(data, 1);
	return why;
}

static void add(struct perf_table *table, int depth)
{
	static const char *const names[] = {"ep_backtrace", "unw_backtrace", "glibc backtrace"};
	static char rows[2][32];
	static int used;
	char *row = rows[used++];
	int base = -1;

	snprintf(row, sizeof(rows[0]), "%d frames", depth);
	for (enum unwinder unwinder = OURS; unwinder <= GLIBC; unwinder++) {
		struct subject *subject = malloc(sizeof(*subject));
		int index;

		if (!subject)
			exit(1);
		*subject = (struct subject){.unwinder = unwinder, .depth = depth};
		index = perf_add(table, (struct perf_case){.row = row,
							   .column = names[unwinder],
							   .begin = begin,
							   .loop = run,
							   .data = subject,
							   .against = base});
		if (unwinder == OURS)
			base = index;
	}
}

int main(int argc, char **argv)
{
	static const void *cookie = &current;
	const struct ep_options probe_options = {.size = sizeof(probe_options),
						 .handler = handle,
						 .cookie = (void *)cookie,
						 .flags = EP_BACKTRACE};
	struct perf_table table = {.program = "backtrace",
				   .question = "What does a call stack cost?"};
	struct perf_options options;
	struct ep_probe *probe;
	int error;

	perf_parse(argc, argv, &options);
	perf_pin(0);
	error = ep_probe_create((const void *)innermost, &probe_options, &probe);
	if (error) {
		fprintf(stderr, "%s\n", ep_strerror(error));
		return 1;
	}
	add(&table, 10);
	add(&table, 30);
	return perf_run(&table, &options);
}
