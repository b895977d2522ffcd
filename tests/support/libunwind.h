/* SPDX-License-Identifier: MIT */
/* For tests: nongnu libunwind behind dlopen(), so that it replaces nothing of libgcc's. */
#ifndef EMUPROBE_TESTS_LIBUNWIND_H
#define EMUPROBE_TESTS_LIBUNWIND_H

#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <libunwind.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

static int (*libunwind_get_context)(unw_tdep_context_t *);
static int (*libunwind_init_local)(unw_cursor_t *, unw_context_t *);
static int (*libunwind_step)(unw_cursor_t *);
static int (*libunwind_get_reg)(unw_cursor_t *, int, unw_word_t *);

/** False: it is not installed, which is said; then libunwind_trace() may not be called. */
static inline bool libunwind_load(void)
{
	void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);

	if (!library) {
		fprintf(stderr, "SKIPPED libunwind: libunwind.so.8 is not installed\n");
		return false;
	}
	*(void **)&libunwind_get_context = dlsym(library, "_Ux86_64_getcontext");
	*(void **)&libunwind_init_local = dlsym(library, "_ULx86_64_init_local");
	*(void **)&libunwind_step = dlsym(library, "_ULx86_64_step");
	*(void **)&libunwind_get_reg = dlsym(library, "_ULx86_64_get_reg");
	return true;
}

/** Its callers' addresses, from its own on, at most @max. */
static inline int libunwind_trace(uint64_t *ret, int max)
{
	unw_context_t context;
	unw_cursor_t cursor;
	int count = 0;

	libunwind_get_context(&context);
	libunwind_init_local(&cursor, &context);
	do {
		unw_word_t ip = 0;

		libunwind_get_reg(&cursor, UNW_REG_IP, &ip);
		if (count < max)
			ret[count++] = ip;
	} while (libunwind_step(&cursor) > 0);
	return count;
}

#endif
