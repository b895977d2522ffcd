/* SPDX-License-Identifier: MIT */
/*
 * What is to be probed as well, when the program executes it, needs what this process was started
 * with: the library, by a path that means the same in another folder, and our variables. They are
 * copied, since programs write over their environment.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "preload/executed.h"
#include "sys/files.h"
#include "trace/execute/execute.h"

static const char *copy(struct trace_arena *arena, const char *text)
{
	return text ? trace_arena_copy(arena, text, strlen(text)) : NULL;
}

/* The path that this library was loaded from. */
static const char *own_path(struct trace_arena *arena)
{
	char path[8192], folder[4096] = "";
	Dl_info info;

	if (!dladdr((void *)own_path, &info) || !info.dli_fname)
		return NULL;
	if (info.dli_fname[0] == '/')
		return copy(arena, info.dli_fname);
	if (!sys_getcwd(folder, sizeof(folder)))
		return NULL;
	snprintf(path, sizeof(path), "%s/%.4000s", folder, info.dli_fname);
	return copy(arena, path);
}

void start_follow_execute(const struct settings *settings, const struct trace_session *session,
			  char **envp, struct trace_arena *arena)
{
	bool is_shared = settings->session && *settings->session;
	struct trace_execute setup = {
		.environment =
			{
				.library = own_path(arena),
				.variables = settings_of_executed(envp, arena),
				.calms_asan = is_shared,
			},
		.session = *session,
		.launcher = is_shared ? copy(arena, settings->session) : NULL,
	};

	if (!setup.environment.library || !setup.environment.variables ||
	    trace_execute_watch(&setup) || !settings->hide)
		return;
	settings_hide(envp, arena);
}
