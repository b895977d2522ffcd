/* SPDX-License-Identifier: MIT */
/* What the environment asks of the preloaded library. */
#ifndef EMUPROBE_PRELOAD_SETTINGS_H
#define EMUPROBE_PRELOAD_SETTINGS_H

#include <stdbool.h>

#include "trace/report/private.h"

struct settings {
	const char *definitions;  /* EMUPROBE */
	bool inherited;		  /* they were meant for the program that executed this one */
	const char *session;	  /* EMUPROBE_SESSION, set by the launcher: all else is in there */
	enum ep_plan plan;	  /* EMUPROBE_PLAN */
	enum trace_mode mode;	  /* EMUPROBE_COUNT=1 */
	bool follow;		  /* EMUPROBE_FOLLOW=0: not what the program executes */
	const char *output;	  /* EMUPROBE_OUTPUT */
	uint32_t sample;	  /* EMUPROBE_SAMPLE */
	enum trace_format format; /* EMUPROBE_FORMAT */
	bool quiet;		  /* EMUPROBE_QUIET=1 */
	bool verbose;		  /* EMUPROBE_VERBOSE=1 */
	bool hide;		  /* EMUPROBE_HIDE=1: the program was not to see any of this */
};

/**
 * Read @envp: environ is not there yet.
 *
 * @return   NULL, or the first variable with a value that makes no sense, and what would.
 */
const char *settings_read(char **envp, struct settings *ret);

/** Mark the definitions as inherited for programs that this one executes. */
void settings_mark_inherited(char **envp, struct trace_arena *arena);

/** Take our variables, and us out of LD_PRELOAD, so that executed programs run without. */
void settings_hide(char **envp, struct trace_arena *arena);

/** Copies of our variables, for programs that are executed without; NULL: there is no memory. */
const char *const *settings_of_executed(char *const *envp, struct trace_arena *arena);

#endif
