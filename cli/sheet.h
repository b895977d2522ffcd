/* SPDX-License-Identifier: MIT */
/* Lines for people, of calls: columns, colours, as wide as a terminal is. */
#ifndef EMUPROBE_CLI_SHEET_H
#define EMUPROBE_CLI_SHEET_H

#include "trace/report/event.h"
#include "trace/report/line.h"

#define SHEET_LINE_MAX (96u << 10) /* bytes of a line; what is longer is cut */

enum sheet_style { SHEET_PLAIN, SHEET_DIM, SHEET_LONG, SHEET_VERY_LONG, SHEET_WRONG };

/* Zeroed but for what sheet_init() sets. */
struct sheet {
	struct trace_sink sink;
	bool has_colour;
	unsigned int width; /* columns; what is longer is cut; 0: nothing is */
	/* Of the line that is being made: */
	struct trace_text line;
	unsigned int column;
	bool is_cut;
	/* The first thread; as soon as there is another one, lines say whose they are. */
	uint32_t process;
	int tid;
	bool has_thread, has_threads;
	bool says_threads;     /* in the lines so far */
	struct trace_text all; /* lines that were not written yet */
	struct sheet_name *names;
	size_t name_count, name_room;
};

/**
 * @fd       Where lines go in the end: a terminal has a width, and colours, unless NO_COLOR says otherwise.
 * @sink     Who writes them there.
 *
 * @return   0 or -EP_NO_MEMORY.
 */
int sheet_init(struct sheet *sheet, int fd, const struct trace_sink *sink);

/** Begin a line of a thread. @duration: UINT64_MAX: none, else nanoseconds. */
void sheet_begin(struct sheet *sheet, const struct trace_event *event, uint64_t duration);

void sheet_put(struct sheet *sheet, enum sheet_style style, const char *text);
void sheet_indent(struct sheet *sheet, unsigned int depth);
void sheet_end(struct sheet *sheet);

/** A line of an event that is none of the calls: a comment with its values. */
void sheet_other(struct sheet *sheet, const struct trace_event *event, unsigned int depth);

/** Have written what there is. */
void sheet_flush(struct sheet *sheet);

/**
 * What a probed function is called: "main", or "libc.so.6:malloc" where @with_object. It lives as long as
 * @view and @sheet.
 */
const char *sheet_name(struct sheet *sheet, const struct trace_view *view, bool with_object);

#endif
