/* SPDX-License-Identifier: MIT */
/*
 * The part of an environment that makes the dynamic linker preload us: LD_PRELOAD, our variables,
 * and an option that makes AddressSanitizer permit it. It is added to the environment of a program
 * that was to be executed without it, and removed from that of a program that it would hurt.
 * Context:  TRAP_PATH, all of it.
 */
#ifndef EMUPROBE_TRACE_EXECUTE_ENVIRONMENT_H
#define EMUPROBE_TRACE_EXECUTE_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "include/emuprobe.h"

#define TRACE_LIBRARY "libemuprobe-preload.so"

/* In an environment that had to be completed: the program is not to see that. */
#define TRACE_HIDE "EMUPROBE_HIDE"

struct trace_environment {
	const char *library;	      /* path to preload */
	const char *const *variables; /* "NAME=VALUE", NULL-terminated: what we need besides */
	bool calms_asan;	      /* programs with AddressSanitizer, which is to be first */
};

/** Is @variable "EMUPROBE=..." or "EMUPROBE_...=..."? */
EP_TRAP_PATH bool trace_environment_is_ours(const char *variable);

/** Is @entry of LD_PRELOAD our library, in any folder? */
EP_TRAP_PATH bool trace_environment_is_library(const char *entry, size_t size);

/** Bytes that the other two need at most. @envp may be NULL, as execve() takes it. */
EP_TRAP_PATH size_t trace_environment_size(char *const *envp, const struct trace_environment *ours);

/**
 * A copy of @envp in @block of @size bytes, with what is missing of @ours; strings that do not
 * change are shared.
 *
 * @return   NULL: nothing is missing, or another thread has made @envp larger meanwhile.
 */
EP_TRAP_PATH char **trace_environment_complete(char *const *envp,
					       const struct trace_environment *ours, void *block,
					       size_t size);

/** The same without anything of ours. NULL: another thread has made @envp larger meanwhile. */
EP_TRAP_PATH char **trace_environment_clean(char *const *envp, void *block, size_t size);

#endif
