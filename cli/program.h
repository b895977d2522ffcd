/* SPDX-License-Identifier: MIT */
/* The program that is about to be executed: can it be probed? */
#ifndef EMUPROBE_CLI_PROGRAM_H
#define EMUPROBE_CLI_PROGRAM_H

#include <stddef.h>

/**
 * Find @name as a shell does, and look at the file: scripts are followed to their interpreter.
 *
 * @ret      Its path.
 * @return   0 or the exit status, after a message.
 */
int program_find(const char *name, char *ret, size_t size);

/**
 * The library to preload: next to this executable, or where it is installed.
 *
 * @return   0 or the exit status, after a message.
 */
int program_find_library(char *ret, size_t size);

#endif
