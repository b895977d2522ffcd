/* SPDX-License-Identifier: MIT */
/* What the program executes. */
#ifndef EMUPROBE_PRELOAD_EXECUTED_H
#define EMUPROBE_PRELOAD_EXECUTED_H

#include "preload/settings.h"
#include "trace/session/session.h"

/**
 * Have the programs that this one executes probed, too, whatever environment it gives them; hide
 * ours from it if that is wanted.
 */
void start_follow_execute(const struct settings *settings, const struct trace_session *session,
			  char **envp, struct trace_arena *arena);

#endif
