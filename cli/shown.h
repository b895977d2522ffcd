/* SPDX-License-Identifier: MIT */
/* --graph and --calls: what becomes of the events that are shown in another form than a line for each. */
#ifndef EMUPROBE_CLI_SHOWN_H
#define EMUPROBE_CLI_SHOWN_H

#include "cli/options.h"
#include "trace/report/summary.h"
#include "trace/report/writer.h"

struct shown;

/** Are events shown so? Not as JSON or in a picture alone, and not where they are counted. */
bool shown_is_wanted(const struct options *options);

/**
 * @fd, @sink  Where lines go: see sheet_init().
 * @ret        NULL: events are shown as ever.
 *
 * @return   0 or -EP_NO_MEMORY.
 */
int shown_create(const struct options *options, int fd, const struct trace_sink *sink,
		 struct shown **ret);

/** Who makes what is written of events: to the sink, nothing else. */
const struct trace_format_writer *shown_writer(const struct shown *shown);

/** Write what there is; some may wait, unless this is the @last time. */
void shown_pass(struct shown *shown, bool last);

/** Say at the end what there was, in place of a table of hits. */
void shown_summary(struct shown *shown, const struct trace_summary_process *processes, size_t count,
		   const struct trace_sink *sink);

#endif
