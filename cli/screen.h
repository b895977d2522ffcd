/* SPDX-License-Identifier: MIT */
/* What is shown on standard error while the program runs: a table, or that something takes its time. */
#ifndef EMUPROBE_CLI_SCREEN_H
#define EMUPROBE_CLI_SCREEN_H

#include "cli/collect.h"

/**
 * Nothing is shown before. With --live the terminal's keys are read by us until screen_end().
 * Context: behind the start of the program, which has the terminal as it was.
 */
void screen_begin(const struct options *options);

/** Show what is to be shown by now: a second has passed, or a key was pressed. */
void screen_look(const struct collector *collector);

/** The program has ended: what was shown meanwhile goes away, and the terminal is as it was. */
void screen_end(void);

#endif
