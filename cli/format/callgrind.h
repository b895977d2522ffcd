/* SPDX-License-Identifier: MIT */
/* What callgrind_annotate(1) and kcachegrind read: who has called whom, how often, how long. */
#ifndef EMUPROBE_CLI_FORMAT_CALLGRIND_H
#define EMUPROBE_CLI_FORMAT_CALLGRIND_H

#include "cli/format/tree.h"

/**
 * Valgrind's manual, "Callgrind Format Specification": one cost, nanoseconds; no lines of source.
 *
 * @command  NULL-terminated: the program and its arguments.
 *
 * @return   0 or an error.
 */
int callgrind_put(const struct tree *tree, char *const *command, const struct trace_sink *sink);

#endif
