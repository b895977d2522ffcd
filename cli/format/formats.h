/* SPDX-License-Identifier: MIT */
/* Which writer makes what the user has asked for. */
#ifndef EMUPROBE_CLI_FORMAT_FORMATS_H
#define EMUPROBE_CLI_FORMAT_FORMATS_H

#include "cli/format/tree.h"
#include "cli/options.h"
#include "trace/report/writer.h"

struct formats {
	const struct options *options;
	struct trace_format_writer all;	   /* what the reader of the rings calls */
	struct trace_format_writer events; /* what makes lines of them; .event may be NULL: none */
	struct tree calls;
	bool wants_calls;
	int flame; /* file of the picture; -1: none is wanted */
};

/**
 * Files other than the output are opened.
 *
 * @return   0 or the exit status, after a message.
 */
int formats_init(struct formats *formats, const struct options *options);

/** Behind all events: what is made of them as a whole. */
void formats_end(struct formats *formats, const struct trace_sink *sink);

/** Draw stacks that were counted, where the picture is of these. */
void formats_draw(struct formats *formats, const struct tree *tree);

#endif
