/* SPDX-License-Identifier: MIT */
/* A file that is about to be executed: can what it becomes be probed? */
#ifndef EMUPROBE_TRACE_EXECUTE_EXECUTABLE_H
#define EMUPROBE_TRACE_EXECUTE_EXECUTABLE_H

#include "include/emuprobe.h"

/* name, its word in JSON, what it is and why that matters, what would do */
#define TRACE_UNPROBED(X)                                                                          \
	X(STATIC, "static", "statically linked: nothing can be preloaded into it",                 \
	  "a build that is linked dynamically can be probed")                                      \
	X(STATIC_PIE, "static-pie",                                                                \
	  "statically linked (static-pie): nothing can be preloaded into it",                      \
	  "a build that is linked dynamically can be probed")                                      \
	X(MUSL, "musl",                                                                            \
	  "a program of musl: its dynamic linker cannot load a library made for glibc",            \
	  "a build for glibc can be probed")                                                       \
	X(OTHER_LIBC, "other-libc", "its dynamic linker is not glibc's",                           \
	  "a build for glibc can be probed")                                                       \
	X(I386, "32-bit", "a 32-bit program: only x86-64 ones can be probed",                      \
	  "a 64-bit build can be probed")                                                          \
	X(X32, "x32", "an x32 program: its addresses have 32 bits, those of the library 64",       \
	  "a build with 64-bit addresses can be probed")                                           \
	X(OTHER_MACHINE, "other-machine",                                                          \
	  "a program for another processor: only x86-64 ones can be probed",                       \
	  "a build for x86-64 can be probed")                                                      \
	X(SETUID, "setuid", "setuid: LD_PRELOAD is ignored for it",                                \
	  "a copy without that bit, or its owner's own run, can be probed")                        \
	X(SETGID, "setgid", "setgid: LD_PRELOAD is ignored for it",                                \
	  "a copy without that bit can be probed")                                                 \
	X(CAPABILITIES, "capabilities", "has file capabilities: LD_PRELOAD is ignored for it",     \
	  "a copy, which has none, can be probed")                                                 \
	X(NO_LIBRARY, "no-library", "the library to preload is not there where it was executed",   \
	  "it can be probed where the library is, by the same path")                               \
	X(NO_LAUNCHER, "no-launcher",                                                              \
	  "what it was executed by cannot reach the launcher: another user or PID namespace",      \
	  "the launcher can be run in there")

enum trace_unprobed {
	TRACE_PROBED,
#define TRACE_UNPROBED_ENUM(name, word, why, remedy) TRACE_UNPROBED_##name,
	TRACE_UNPROBED(TRACE_UNPROBED_ENUM)
#undef TRACE_UNPROBED_ENUM
		TRACE_UNPROBED_COUNT
};

#define TRACE_EXECUTABLE_LINE 256 /* execve(2), "Interpreter scripts" */

/* What was looked at: of a script, its interpreter. */
struct trace_executable {
	char line[TRACE_EXECUTABLE_LINE];
	const char *interpreter; /* in line; NULL: it is no script */
};

/**
 * Look at the file that execveat(@folder, @path, ...) would execute; scripts are followed to their
 * interpreter. What cannot be read, or execveat() itself would refuse, counts as probed.
 *
 * Context:  TRAP_PATH; some ten system calls.
 */
EP_TRAP_PATH enum trace_unprobed trace_executable_look(int folder, const char *path,
						       struct trace_executable *ret);

/** Would LD_PRELOAD with our library hurt it: end the program, or make it complain? */
EP_TRAP_PATH int trace_executable_is_hurt(enum trace_unprobed why);

/** Constant strings; "?" for what is no reason. */
const char *trace_unprobed_word(unsigned int why);
const char *trace_unprobed_why(unsigned int why);
const char *trace_unprobed_remedy(unsigned int why);

#endif
