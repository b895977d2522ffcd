// SPDX-License-Identifier: MIT
/*
 * The library is the first to be initialized (-z initfirst), before libc has set up environ and
 * before any constructor of the program: probes stand in time for those. It is a guest: errno,
 * descriptors, signals, stdio and the allocator stay as the program would have found them.
 */
#include "preload/start.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static struct trace_arena arena;

static void complain(const char *variable)
{
	char text[128];
	int size = snprintf(text, sizeof(text), "emuprobe: %s: no such value\n", variable);

	if (write(STDERR_FILENO, text, (size_t)size) < 0)
		return;
}

static void start(char **envp)
{
	struct settings settings;
	const char *wrong = settings_read(envp, &settings);

	if (settings.session && *settings.session) {
		start_shared(&settings, envp, &arena);
		return;
	}
	if (!settings.definitions || !*settings.definitions)
		return;
	if (wrong) {
		complain(wrong);
		return;
	}
	if (!settings.follow)
		settings_hide(envp);
	else if (!settings.inherited)
		settings_mark_inherited(envp, &arena);
	start_private(&settings, &arena);
}

__attribute__((constructor)) static void constructor(int argc, char **argv, char **envp)
{
	int error = errno;

	(void)argc;
	(void)argv;
	if (!getauxval(AT_SECURE))
		start(envp);
	errno = error;
}
