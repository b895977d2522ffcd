/* SPDX-License-Identifier: MIT */
/*
 * Who makes what is written of events. The reader of the rings calls it for each event, in the order of
 * time. Text and JSON are format.c, and work in a probed program, too; all others live in the launcher
 * (cli/format/).
 */
#ifndef EMUPROBE_TRACE_REPORT_WRITER_H
#define EMUPROBE_TRACE_REPORT_WRITER_H

#include "trace/report/event.h"
#include "trace/report/line.h"

struct trace_format_writer {
	void *data; /* the writer's own */
	/*
	 * Append one event to @text, which has room for it: TRACE_LINE_MAX bytes, and .stretch for each
	 * byte of the names of the event and its place; or, if that is more than there can be, as much
	 * as there can be. Whole, or not at all. A writer that writes at the end appends nothing.
	 */
	void (*event)(const struct trace_format_writer *writer, struct trace_text *text,
		      const struct trace_event *event);
	size_t stretch;
	/* What stands in front of all events, and behind them; NULL: nothing. 0, or an EP_ code below 0. */
	int (*begin)(const struct trace_format_writer *writer, const struct trace_sink *sink);
	int (*end)(const struct trace_format_writer *writer, const struct trace_sink *sink);
};

#endif
