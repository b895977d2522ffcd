/* SPDX-License-Identifier: MIT */
/* Events as text. */
#ifndef EMUPROBE_TRACE_REPORT_FORMAT_H
#define EMUPROBE_TRACE_REPORT_FORMAT_H

#include "trace/base/text.h"
#include "trace/session/session.h"
#include "trace/session/view.h"

#define TRACE_LINE_MAX 65536
#define TRACE_NAMES_MAX                                                                            \
	24576 /* bytes of a line of text that an event's name takes, and its place */

/*
 * Names of addresses. @name: where @process returns to at @time, of the session's clock; false: unknown.
 * Who has none gets addresses.
 */
struct trace_namer {
	bool (*name)(void *data, uint32_t process, uint64_t address, uint64_t time, char *ret,
		     size_t size);
	void *data;
};

struct trace_event {
	const struct trace_view *view;
	uint64_t nanoseconds; /* CLOCK_MONOTONIC */
	uint64_t time;	      /* the same, of the session's clock */
	int pid, tid;
	uint32_t process, cpu;
	enum ep_end end; /* of a call; else 0 */
	char comm[TRACE_COMM_SIZE + 1];
	const uint64_t *values;		 /* one for each argument of the view */
	const struct trace_namer *namer; /* NULL: none */
};

/**
 * Append one line: of text, at most TRACE_LINE_MAX bytes; of JSON, as long as it takes, if it fits.
 * Names that are too long for it end with "…".
 *
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void trace_format_event(struct trace_text *text, enum trace_format format,
				     const struct trace_event *event);

#endif
