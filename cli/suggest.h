/* SPDX-License-Identifier: MIT */
/* No probes: what could be asked of this program. */
#ifndef EMUPROBE_CLI_SUGGEST_H
#define EMUPROBE_CLI_SUGGEST_H

/**
 * Look at the files that the program at @path consists of, and print commands that answer something about
 * it, which can be copied as they are. Nothing is executed.
 *
 * @command  As it was given, with the program's name.
 *
 * @return   The exit status, which is that of a program that was not run.
 */
int suggest_run(const char *path, char *const *command);

#endif
