/* SPDX-License-Identifier: MIT */
/*
 * The library is the first to be initialized (-z initfirst), before libc has set up environ and
 * before any constructor of the program: probes stand in time for those. It is a guest: errno,
 * descriptors, signals, stdio and the allocator stay as the program would have found them.
 */

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "preload/alone.h"
#include "preload/attached.h"
#include "preload/say.h"
#include "preload/settings.h"
#include "preload/shared.h"
#include "sys/status.h"
#include "trace/base/text.h"
#include "trace/clock/processor.h"

static struct trace_arena arena;

static void complain(const char *expected)
{
	char text[128];
	int size =
		snprintf(text, sizeof(text), "emuprobe: %s; the program runs unprobed\n", expected);

	trace_private_say(text, (size_t)size);
}

/* A debugger counts the traps of what it starts: it would take ours for those of execve(). */
static bool is_started_by_tracer(void)
{
	unsigned long tracer = sys_status("TracerPid");

	return tracer && tracer == sys_status("PPid");
}

/* Only the names that are known are masked: said, since a test would not test what it means to. */
static void check_masked(void)
{
	const char *unknown = trace_processor_unknown();
	char text[128];
	int size;

	if (!unknown)
		return;
	size = snprintf(text, sizeof(text), "emuprobe: EMUPROBE_MASK_CPU: no such feature: %.40s\n",
			unknown);
	trace_private_say(text, (size_t)size);
}

/* By emuprobe-attach.h: what is to be done is said then, not in an environment of long ago. */
static bool is_attached(void)
{
	Dl_info info;

	return environ && dladdr((void *)is_attached, &info) && info.dli_fname &&
	       strncmp(info.dli_fname, ATTACHED_NAME, strlen(ATTACHED_NAME)) == 0;
}

static void start(char **envp)
{
	struct settings settings;
	const char *wrong = settings_read(envp, &settings);
	bool is_shared = settings.session && *settings.session;
	int error;

	if (!is_shared && (!settings.definitions || !*settings.definitions))
		return;
	check_masked();
	/* Where the user asks for this very program, a debugger has been told. */
	if ((is_shared || settings.inherited) && is_started_by_tracer())
		error = -EP_TRACED;
	else
		error = ep_available();
	if (error) {
		start_say_unprobed(error);
		return;
	}
	attached_forbid();
	if (is_shared) {
		start_shared(&settings, envp, &arena);
		return;
	}
	if (wrong) {
		complain(wrong);
		return;
	}
	if (!settings.follow)
		settings_hide(envp, &arena);
	else if (!settings.inherited)
		settings_mark_inherited(envp, &arena);
	start_private(&settings, envp, &arena);
}

__attribute__((constructor)) static void constructor(int argc, char **argv, char **envp)
{
	int error = errno;

	(void)argc;
	(void)argv;
	if (!getauxval(AT_SECURE) && !is_attached())
		start(envp);
	errno = error;
}
