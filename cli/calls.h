/* SPDX-License-Identifier: MIT */
/*
 * Calls of the executable into its libraries, as C would write them:
 *
 *	  12.1us | open("/etc/passwd", O_RDONLY) = 3
 */
#ifndef EMUPROBE_CLI_CALLS_H
#define EMUPROBE_CLI_CALLS_H

#include "cli/prototypes.h"
#include "cli/sheet.h"

#define CALLS_GROUP "calls" /* of the definitions */

struct calls;

struct calls_settings {
	const struct prototypes *prototypes;
	size_t first; /* definition of the first of these; behind the last one is that of all others */
	bool sums_up; /* there are no lines, but a table at the end */
};

/** @return NULL: there is no memory. @settings and @sheet are used, and live as long. */
struct calls *calls_create(const struct calls_settings *settings, struct sheet *sheet);

void calls_event(struct calls *calls, const struct trace_event *event);

/** How many calls there were. */
uint64_t calls_total(const struct calls *calls);

/** The table: calls and time for each function, the most time first. */
void calls_table(struct calls *calls, const struct trace_sink *sink);

#endif
