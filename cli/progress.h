/* SPDX-License-Identifier: MIT */
/* A line that says what takes so long, once it does. */
#ifndef EMUPROBE_CLI_PROGRESS_H
#define EMUPROBE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#define PROGRESS_CLEAR "\r\033[K"

struct progress {
	const char *what;   /* NULL: nothing is under way */
	double began;	    /* seconds */
	unsigned int shown; /* seconds that the line says; 0: it is not shown */
};

/** Without a terminal, or where it is to be quiet, nothing is shown: so it is at the start. */
void progress_allow(bool so);

/** @what goes on, a constant. It is said on standard error if it has for long enough. */
void progress_work(const char *what);

/** Nothing goes on any more, and nothing is shown. */
void progress_done(void);

/* ---- for tests ----------------------------------------------------------------------------- */

void progress_begin(struct progress *progress, const char *what, double now);

/**
 * The line, in place of the one before: from two seconds on, once for each second.
 *
 * @return   false: there is nothing new to show.
 */
bool progress_line(struct progress *progress, double now, char *ret, size_t size);

#endif
