/* SPDX-License-Identifier: MIT */
/* The program that is about to be executed: can it be probed? */
#ifndef EMUPROBE_CLI_PROGRAM_H
#define EMUPROBE_CLI_PROGRAM_H

#include <stddef.h>

#include "trace/execute/executable.h"

/**
 * Find @name as a shell does.
 *
 * @ret      Its path.
 * @return   0 or the exit status, after a message.
 */
int program_find(const char *name, char *ret, size_t size);

/**
 * Look at the program, of a script at its interpreter. Where it cannot be probed, one line on
 * standard error has what it is, why that matters, and @end, NULL: what would do.
 */
enum trace_unprobed program_check(const char *path, const char *end);

/**
 * The library to preload: next to this executable, or where it is installed.
 *
 * @return   0 or the exit status, after a message.
 */
int program_find_library(char *ret, size_t size);

#endif
