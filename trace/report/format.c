/* SPDX-License-Identifier: MIT */
/*
 * Two shapes of one event. Text is that of the kernel's trace file, which people and tools know:
 *
 *	         sqlite3-4711    [001]   123.456789012: malloc: (libc.so.6:malloc) size=24
 *
 * JSON is one object a line. Hexadecimal values are strings there, since JSON has no such numbers.
 *
 * Of a call that did not return the text says at its end what became of it, " <- unwind", and of values
 * that it has not got "-"; JSON says so of every call, and null. value.c has the arguments.
 *
 * A line has to fit into what is left of a buffer, and names may have any length: so those of the
 * event and its place have a share of it each, which for JSON is all that there is. All else has a limit: the arguments' is
 * TRACE_ARGS_TEXT, which the parser sees to.
 */
#include "trace/report/format.h"

#include "trace/report/value.h"

#define REST_MAX                                                                                   \
	(TRACE_ARGS_TEXT + 2048) /* bytes of an event in JSON, without its name and place */

EP_TRAP_PATH static void put_time(struct trace_text *text, uint64_t nanoseconds,
				  unsigned int digits)
{
	trace_text_unsigned(text, nanoseconds / 1000000000, digits, ' ');
	trace_text_char(text, '.');
	trace_text_unsigned(text, nanoseconds % 1000000000, 9, '0');
}

EP_TRAP_PATH const char *trace_format_end(enum ep_end end)
{
	static const char names[][8] = {"return", "unwind", "jump", "exit", "entry"};

	return names[end];
}

EP_TRAP_PATH static void put_end(struct trace_text *text, enum ep_end end)
{
	trace_text_string(text, trace_format_end(end));
}

EP_TRAP_PATH static void put_text(struct trace_text *text, const struct trace_event *event)
{
	size_t start = text->used, length = trace_text_length(event->comm);
	const struct trace_view *view = event->view;
	const uint64_t *bulks = event->bulks;

	trace_text_pad(text, start, length < 16 ? 16 - length : 0);
	trace_text_plain(text, event->comm);
	trace_text_char(text, '-');
	trace_text_unsigned(text, (uint64_t)(uint32_t)event->tid, 1, '0');
	trace_text_pad(text, start, 16 + 1 + 7);
	trace_text_string(text, " [");
	trace_text_unsigned(text, event->cpu, 3, '0');
	trace_text_string(text, "] ");
	put_time(text, event->nanoseconds, 5);
	trace_text_string(text, ": ");
	trace_text_plain_within(text, view->event, TRACE_NAMES_MAX);
	trace_text_string(text, ": (");
	trace_text_plain_within(text, view->place, TRACE_NAMES_MAX);
	trace_text_char(text, ')');
	for (uint32_t i = 0; i < trace_view_shown(view); i++) {
		trace_text_char(text, ' ');
		trace_text_string(text, view->args[i].name);
		trace_text_char(text, '=');
		trace_value_text(text, event, i, &bulks);
	}
	if (event->end != EP_END_RETURN) {
		trace_text_string(text, " <- ");
		put_end(text, event->end);
	}
	trace_text_char(text, '\n');
}

EP_TRAP_PATH static void put_number(struct trace_text *text, const char *key, uint64_t value)
{
	trace_text_string(text, key);
	trace_text_unsigned(text, value, 1, '0');
}

EP_TRAP_PATH static void put_string(struct trace_text *text, const char *key, const char *value)
{
	trace_text_string(text, key);
	trace_text_json(text, value);
}

/* Of what is left, half: never less than text has. */
EP_TRAP_PATH static size_t name_share(const struct trace_text *text)
{
	size_t left = text->size - text->used, half = left > REST_MAX ? (left - REST_MAX) / 2 : 0;

	return half > TRACE_NAMES_MAX ? half : TRACE_NAMES_MAX;
}

/* The names of arguments that are not as they should be. */
EP_TRAP_PATH static void put_marked(struct trace_text *text, const struct trace_view *view,
				    const char *key, const uint64_t *marked)
{
	bool any = false;

	for (uint32_t i = 0; i < trace_view_shown(view); i++) {
		if (!(marked[i / 64] >> (i % 64) & 1))
			continue;
		put_string(text, any ? "," : key, view->args[i].name);
		any = true;
	}
	if (any)
		trace_text_char(text, ']');
}

EP_TRAP_PATH static void put_json(struct trace_text *text, const struct trace_event *event)
{
	size_t share = name_share(text);
	const struct trace_view *view = event->view;
	const uint64_t *bulks = event->bulks;
	uint64_t states[TRACE_VALUE_ABSENT + 1][TRACE_ARGS_MAX / 64] = {{0}};

	trace_text_string(text, "{\"type\":\"event\",\"ts\":");
	put_time(text, event->nanoseconds, 1);
	put_number(text, ",\"pid\":", (uint32_t)event->pid);
	put_number(text, ",\"tid\":", (uint32_t)event->tid);
	put_number(text, ",\"cpu\":", event->cpu);
	put_string(text, ",\"comm\":", event->comm);
	put_string(text, ",\"group\":", view->group);
	trace_text_string(text, ",\"event\":");
	trace_text_json_within(text, view->event, share);
	trace_text_string(text, ",\"place\":");
	trace_text_json_within(text, view->place, share);
	if (view->is_return) {
		trace_text_string(text, ",\"end\":\"");
		put_end(text, event->end);
		trace_text_char(text, '"');
	}
	trace_text_string(text, ",\"args\":{");
	for (uint32_t i = 0; i < trace_view_shown(view); i++) {
		put_string(text, i ? "," : "", view->args[i].name);
		trace_text_char(text, ':');
		states[trace_value_json(text, event, i, &bulks)][i / 64] |= 1ull << (i % 64);
	}
	trace_text_char(text, '}');
	put_marked(text, view, ",\"cut\":[", states[TRACE_VALUE_CUT]);
	put_marked(text, view, ",\"fault\":[", states[TRACE_VALUE_FAULTY]);
	trace_text_string(text, "}\n");
}

EP_TRAP_PATH void trace_format_event(struct trace_text *text, enum trace_format format,
				     const struct trace_event *event)
{
	if (format == TRACE_FORMAT_JSON)
		put_json(text, event);
	else
		put_text(text, event);
}

EP_TRAP_PATH static void text_event(const struct trace_format_writer *writer,
				    struct trace_text *text, const struct trace_event *event)
{
	(void)writer;
	put_text(text, event);
}

EP_TRAP_PATH static void json_event(const struct trace_format_writer *writer,
				    struct trace_text *text, const struct trace_event *event)
{
	(void)writer;
	put_json(text, event);
}

const struct trace_format_writer trace_format_text = {.event = text_event};
const struct trace_format_writer trace_format_json = {.event = json_event,
						      .stretch = TRACE_ESCAPE_MAX};
