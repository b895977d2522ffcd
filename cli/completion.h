/* SPDX-License-Identifier: MIT */
/* What shells read to complete our command line; made of the table of options, so that it has all of them. */
#ifndef EMUPROBE_CLI_COMPLETION_H
#define EMUPROBE_CLI_COMPLETION_H

#include <getopt.h>
#include <stdbool.h>

/**
 * @shell    bash, zsh or fish.
 * @table    Of long options; what .val has is the letter, if it is one.
 * @text     Of all options, a line for each or some, as --help=all prints it.
 *
 * @return   Whether it is known here.
 */
bool completion_put(const char *shell, const struct option *table, const char *text);

#endif
