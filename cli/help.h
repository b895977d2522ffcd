/* SPDX-License-Identifier: MIT */
/* What --help and --examples print. The list of all options is in options.c, beside their table. */
#ifndef EMUPROBE_CLI_HELP_H
#define EMUPROBE_CLI_HELP_H

/** What fits a screen of 24 lines. */
void help_overview(void);

/** Ten questions, each with a command that answers it. */
void help_examples(void);

#endif
