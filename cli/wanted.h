/* SPDX-License-Identifier: MIT */
/* What --graph and --calls mean, as definitions: there is nothing that they could see and others could not. */
#ifndef EMUPROBE_CLI_WANTED_H
#define EMUPROBE_CLI_WANTED_H

#include "cli/prototypes.h"
#include "include/emuprobe.h"

enum show { SHOW_EVENTS, SHOW_GRAPH, SHOW_CALLS };

struct wanted {
	enum show show;	       /* what is made of the events, for people */
	const char **patterns; /* of --graph; there is room for one more */
	size_t pattern_count;
	uint64_t min_time; /* nanoseconds that a call has to take to be shown */
	uint32_t depth;	   /* of the tree; 0: there is no end */
	uint32_t only_tid; /* 0: all threads */
	bool sums_up;	   /* the calls, at the end */
	const char *prototypes_path;
	struct prototypes prototypes;
	size_t count; /* definitions that were made of it */
};

/**
 * Make the definitions of what is shown.
 *
 * @for_people  Lines are made of them, not JSON.
 * @ret         Text, to be freed; NULL: nothing is wanted.
 * @error       Its message says what is wrong.
 *
 * @return   0, -EP_SYNTAX, -EP_IO or -EP_NO_MEMORY.
 */
int wanted_make(struct wanted *wanted, bool for_people, struct trace_arena *arena, char **ret,
		struct ep_error_at *error);

/** "10us", "1.5ms", "2s" as nanoseconds; 0: it is no such time. */
uint64_t wanted_time(const char *text);

#endif
