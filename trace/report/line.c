/* SPDX-License-Identifier: MIT */
/*
 * The summary may be written while the program ends, in the middle of anything: no malloc(), no
 * printf().
 */
#include "trace/report/line.h"

struct trace_line *trace_line_init(void)
{
	static struct trace_line line;

	line.text = (struct trace_text){line.buffer, sizeof(line.buffer) - 1, 0};
	return &line;
}

int trace_line_end(struct trace_line *line, const struct trace_sink *sink)
{
	line->buffer[line->text.used++] = '\n';
	return sink->write(sink->data, line->buffer, line->text.used);
}

void trace_line_right(struct trace_line *line, uint64_t value, unsigned int width)
{
	trace_text_unsigned(&line->text, value, width, ' ');
}

void trace_line_left(struct trace_line *line, const char *value, size_t width)
{
	size_t start = line->text.used;

	trace_text_plain_within(&line->text, value, TRACE_LINE_NAME);
	trace_text_pad(&line->text, start, width);
	trace_text_string(&line->text, "  ");
}

void trace_line_right_text(struct trace_line *line, const char *value, size_t width)
{
	for (size_t length = trace_text_length(value); length < width; length++)
		trace_text_char(&line->text, ' ');
	trace_text_string(&line->text, value);
}

void trace_line_number(struct trace_line *line, const char *before, uint64_t value)
{
	trace_text_string(&line->text, before);
	trace_text_unsigned(&line->text, value, 1, '0');
}

/* ---- times --------------------------------------------------------------------------------- */

/* @value in units of which @unit make 1000ths of the next one: one, ten or hundred parts of it. */
static void put_digits(struct trace_text *text, uint64_t value, uint64_t unit)
{
	uint64_t whole = value / unit, digits = whole >= 100 ? 0 : whole >= 10 ? 1 : 2;
	uint64_t part = value % unit * (digits == 2 ? 100 : 10) / unit;

	trace_text_unsigned(text, whole, 1, '0');
	if (!digits || unit == 1)
		return;
	trace_text_char(text, '.');
	trace_text_unsigned(text, part, (unsigned int)digits, '0');
}

void trace_text_time(struct trace_text *to, uint64_t nanoseconds, size_t width)
{
	static const struct {
		uint64_t size;
		const char *name;
	} units[] = {{1, "ns"}, {1000, "us"}, {1000000, "ms"}, {1000000000, "s"}};
	char buffer[32];
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};
	size_t unit = 0;

	while (unit < 3 && nanoseconds >= units[unit + 1].size)
		unit++;
	put_digits(&text, nanoseconds, units[unit].size);
	trace_text_string(&text, units[unit].name);
	buffer[text.used] = '\0';
	for (size_t length = text.used; length < width; length++)
		trace_text_char(to, ' ');
	trace_text_string(to, buffer);
}

void trace_line_time(struct trace_line *line, uint64_t nanoseconds, size_t width)
{
	trace_text_time(&line->text, nanoseconds, width);
}
