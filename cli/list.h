/* SPDX-License-Identifier: MIT */
/* -l: which functions there are to be probed. */
#ifndef EMUPROBE_CLI_LIST_H
#define EMUPROBE_CLI_LIST_H

#include "cli/options.h"

/**
 * List functions on standard output: of a file, of what it needs, or of what a process has loaded.
 *
 * @return   The exit status, after a message if it is not 0.
 * Context:  instead of running anything.
 */
int list_run(const struct options *options, struct trace_arena *arena);

#endif
