// SPDX-License-Identifier: MIT
/*
 * The library is the first to be initialized (-z initfirst), before libc has set up environ and
 * before any constructor of the program: probes stand in time for those. It is a guest: errno,
 * descriptors, signals, stdio and the allocator stay as the program would have found them.
 */
#include "preload/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "sys/files.h"
#include "sys/process.h"
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

static int put_unprobed(char *text, size_t size, const char *why)
{
	char comm[16] = "?", plain[16];
	struct trace_text name = {plain, sizeof(plain) - 1, 0};

	sys_get_comm(comm);
	trace_text_plain(&name, comm);
	plain[name.used] = '\0';
	return snprintf(text, size, "emuprobe: %s runs unprobed: %s\n", plain, why);
}

void start_say_no_session(void)
{
	char text[256];
	int size = put_unprobed(text, sizeof(text), "the launcher's memory cannot be opened");

	trace_private_say(text, (size_t)size);
}

void start_say_unprobed(int error)
{
	char text[256];
	int size = put_unprobed(text, sizeof(text), ep_strerror(error));

	if (error != -EP_SANDBOXED)
		trace_private_say(text, (size_t)size);
	else /* nobody may listen, but anything else may be forbidden */
		sys_write(STDERR_FILENO, text, (size_t)size);
}

static bool is_about_process(int reason)
{
	return (reason && reason < EP_NOT_EXECUTABLE) || reason == EP_NOT_WRITABLE ||
	       reason == EP_SIGNALS_BLOCKED || reason == EP_SIGNAL_TAKEN;
}

void start_check_placed(const struct trace_probes *probes)
{
	for (size_t i = 0; i < probes->count; i++)
		if (probes->list[i].handle || !is_about_process(probes->list[i].view.reason))
			return;
	if (probes->count)
		start_say_unprobed(probes->list[0].view.reason);
}

static long number_behind(const char *text, const char *key)
{
	const char *found = strstr(text, key);

	return found ? strtol(found + strlen(key), NULL, 10) : 0;
}

/* A debugger counts the traps of what it starts: it would take ours for those of execve(). */
static bool is_started_by_tracer(void)
{
	int fd = sys_open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	long size = 0;
	char text[4096];

	if (fd >= 0) {
		size = sys_read(fd, text, sizeof(text) - 1);
		sys_close(fd);
	}
	text[size > 0 ? size : 0] = '\0';
	return number_behind(text, "\nTracerPid:") &&
	       number_behind(text, "\nTracerPid:") == number_behind(text, "\nPPid:");
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
	if (!getauxval(AT_SECURE))
		start(envp);
	errno = error;
}
