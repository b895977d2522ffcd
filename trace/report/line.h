/* SPDX-License-Identifier: MIT */
/* A line of what is said at the end. */
#ifndef EMUPROBE_TRACE_REPORT_LINE_H
#define EMUPROBE_TRACE_REPORT_LINE_H

#include "trace/base/text.h"

#define TRACE_LINE_SIZE (64 << 10) /* names of C++ have kilobytes */
#define TRACE_LINE_NAME (24 << 10) /* of a line's two, each */

/* Where text goes. @write returns 0, or an error that ends the output. */
struct trace_sink {
	int (*write)(void *data, const char *text, size_t size);
	void *data;
};

struct trace_line {
	struct trace_text text;
	char buffer[TRACE_LINE_SIZE];
};

/**
 * The line, empty: there is one, since it is large for a stack.
 * Context:  one thread at a time, of all that ask for it.
 */
struct trace_line *trace_line_init(void);

/** Write it. @return what the sink returned. */
int trace_line_end(struct trace_line *line, const struct trace_sink *sink);

/** A number, at the right of @width columns. */
void trace_line_right(struct trace_line *line, uint64_t value, unsigned int width);

/** A name, at the left of @width columns, and two blanks. */
void trace_line_left(struct trace_line *line, const char *value, size_t width);

/** A text at the right of @width columns. */
void trace_line_right_text(struct trace_line *line, const char *value, size_t width);

/** A number behind @before, which is written as it is. */
void trace_line_number(struct trace_line *line, const char *before, uint64_t value);

/** So many nanoseconds, three digits of them and a unit: "1.25us". At the right of @width columns. */
void trace_line_time(struct trace_line *line, uint64_t nanoseconds, size_t width);
void trace_text_time(struct trace_text *text, uint64_t nanoseconds, size_t width);

#endif
