/* SPDX-License-Identifier: MIT */
/*
 * Why a program runs without probes. It is said once, in one line, before anything of the program
 * has run; standard error is the program's, and may be closed.
 */
#include "preload/say.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/files.h"
#include "sys/process.h"
#include "trace/base/text.h"
#include "trace/report/private.h"

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

int start_why_unprobed(const struct trace_probes *probes)
{
	for (size_t i = 0; i < probes->count; i++)
		if (probes->list[i].handle || !is_about_process(probes->list[i].view.reason))
			return 0;
	return probes->count ? probes->list[0].view.reason : 0;
}

void start_check_placed(const struct trace_probes *probes)
{
	int reason = start_why_unprobed(probes);

	if (reason)
		start_say_unprobed(reason);
}
