/* SPDX-License-Identifier: MIT */
/* The two ways in which the library starts. */
#ifndef EMUPROBE_PRELOAD_START_H
#define EMUPROBE_PRELOAD_START_H

#include "preload/settings.h"
#include "trace/action/attach.h"

/** Under the launcher. Does not return where the first program cannot be probed as asked. */
void start_shared(const struct settings *settings, char **envp, struct trace_arena *arena);

/** On its own. Complains on standard error, then lets the program run. */
void start_private(const struct settings *settings, char **envp, struct trace_arena *arena);

/**
 * Have the programs that this one executes probed, too, whatever environment it gives them; hide
 * ours from it if that is wanted.
 */
void start_follow_execute(const struct settings *settings, const struct trace_session *session,
			  char **envp, struct trace_arena *arena);

/** One line on standard error: why the program runs without probes. */
void start_say_unprobed(int error);

/** The same: the first program of a launcher cannot open what that has made for it. */
void start_say_no_session(void);

/** The same where none of @probes could be placed, all for a reason that is not in the place. */
void start_check_placed(const struct trace_probes *probes);

/**
 * Let each child of a fork start afresh; it counts what @probes hit in counters of its own, NULL:
 * in the same ones, which were copied with all the rest.
 */
void start_follow_forks(const struct trace_session *session, struct trace_probes *probes);

#endif
