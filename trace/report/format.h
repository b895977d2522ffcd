/* SPDX-License-Identifier: MIT */
/* Events as text. */
#ifndef EMUPROBE_TRACE_REPORT_FORMAT_H
#define EMUPROBE_TRACE_REPORT_FORMAT_H

#include "trace/report/writer.h"

#define TRACE_LINE_MAX 131072
_Static_assert(TRACE_ARGS_TEXT + 2 * 24576 + 4096 < TRACE_LINE_MAX, "a line has room");
#define TRACE_NAMES_MAX                                                                            \
	24576 /* bytes of a line of text that an event's name takes, and its place */

/**
 * Append one line: of text, at most TRACE_LINE_MAX bytes; of JSON, as long as it takes, if it fits.
 * Names that are too long for it end with "…".
 *
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void trace_format_event(struct trace_text *text, enum trace_format format,
				     const struct trace_event *event);

/** What became of a call, in a word. Context: TRAP_PATH. */
EP_TRAP_PATH const char *trace_format_end(enum ep_end end);

/* These two shapes as writers, without a beginning and an end. Context: TRAP_PATH. */
extern const struct trace_format_writer trace_format_text, trace_format_json;

#endif
