/* SPDX-License-Identifier: MIT */
/* The launcher's whole command line: options that go together, and what they mean together. */
#ifndef EMUPROBE_CLI_COMMAND_LINE_H
#define EMUPROBE_CLI_COMMAND_LINE_H

#include "cli/options.h"

/**
 * Read the command line, and the definitions in it; --help and --version print and exit.
 *
 * @return   0 or the exit status, after a message.
 */
int command_line_parse(int argc, char **argv, struct trace_arena *arena, struct options *ret);

#endif
