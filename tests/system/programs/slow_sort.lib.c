/* SPDX-License-Identifier: MIT */
/*
 * Preloaded: in the program "work" nothing is sorted before there is a file "go", so that it takes as long as a
 * test wants to place probes.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* This may be called before anything of libc is ready. */
static int is_meant(void)
{
	const char *name = strrchr((const char *)getauxval(AT_EXECFN), '/');

	return name && strcmp(name, "/work") == 0;
}

__attribute__((visibility("default"))) void qsort(void *base, size_t count, size_t size,
						  int (*compare)(const void *, const void *))
{
	void (*next)(void *, size_t, size_t, int (*)(const void *, const void *));

	*(void **)&next = dlsym(RTLD_NEXT, "qsort");
	while (is_meant() && access("go", F_OK) != 0)
		usleep(10000);
	next(base, count, size, compare);
}
