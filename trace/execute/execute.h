/* SPDX-License-Identifier: MIT */
/*
 * The moment at which the program executes another one. That one is probed, too, whatever
 * environment the program gives it; where it cannot be, it runs as without us and is listed as not
 * probed.
 */
#ifndef EMUPROBE_TRACE_EXECUTE_EXECUTE_H
#define EMUPROBE_TRACE_EXECUTE_EXECUTE_H

#include "trace/execute/environment.h"
#include "trace/session/session.h"

struct trace_execute {
	struct trace_environment environment;
	struct trace_session session; /* that has the list of what was not probed */
	const char *launcher;	      /* a file that must be there for it; NULL: none */
};

/**
 * From now on look at what libc's execve() and its relatives execute. All that @setup points to
 * stays where it is.
 *
 * @return   0, or why no probe can stand there.
 * Context:  once until trace_execute_stop(); thread context.
 */
int trace_execute_watch(const struct trace_execute *setup);

/**
 * What is executed from now on is left alone. A thread that is executing something just now may still
 * read what @setup pointed to.
 */
void trace_execute_stop(void);

/**
 * What execveat(@folder, @path, ..., @envp) is to be given as environment: @envp, or a copy of it
 * that lives until this thread comes here again. Notes what will not be probed.
 *
 * Context:  TRAP_PATH, behind trace_execute_watch(); also in a child of vfork().
 */
EP_TRAP_PATH char *const *trace_execute_environment(int folder, const char *path,
						    char *const *envp);

#endif
