/* SPDX-License-Identifier: MIT */
/* What --stacks shows: the call stacks of an event, of all processes together, with names. */
#ifndef EMUPROBE_CLI_STACKS_H
#define EMUPROBE_CLI_STACKS_H

#include "cli/format/formats.h"
#include "cli/options.h"
#include "trace/report/summary.h"
#include "trace/report/symbols.h"

/* Where they come from, and what is known of that. */
struct stacks_source {
	const struct options *options;
	const struct trace_session *session;
	const struct trace_summary_process *processes;
	uint64_t count;		       /* of processes */
	struct formats *formats;       /* which draw a picture of them, if one is wanted */
	struct trace_symbols *symbols; /* NULL: addresses have no names */
};

/**
 * Put all that --stacks asked for into @sink: as text the ten most frequent of each event, all of them
 * where the user wants to see everything; folded or as JSON all.
 * Context: when the program has ended, or later.
 */
void stacks_put(const struct stacks_source *source, const struct trace_sink *sink);

#endif
