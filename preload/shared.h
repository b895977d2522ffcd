/* SPDX-License-Identifier: MIT */
/* Starting under the launcher. */
#ifndef EMUPROBE_PRELOAD_SHARED_H
#define EMUPROBE_PRELOAD_SHARED_H

#include "preload/settings.h"

/** Under the launcher. Does not return where the first program cannot be probed as asked. */
void start_shared(const struct settings *settings, char **envp, struct trace_arena *arena);

/**
 * In a program that was attached to. What is wrong is in the session's report then, and start_leave()
 * undoes what was done.
 *
 * @session  Open; its descriptor is closed.
 * @memory   Lives until the next start, at least.
 * @return   Is it probed?
 */
bool start_attached(const struct trace_session *session, const struct settings *settings,
		    char **envp, struct trace_arena *memory);

/** Remove all probes; nobody uses the session any more. Context: behind start_attached(). */
void start_leave(void);

#endif
