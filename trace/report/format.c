/* SPDX-License-Identifier: MIT */
/*
 * Two shapes of one event. Text is that of the kernel's trace file, which people and tools know:
 *
 *	         sqlite3-4711    [001]   123.456789012: malloc: (libc.so.6:malloc) size=24
 *
 * JSON is one object a line. Hexadecimal values are strings there, since JSON has no such numbers.
 *
 * Of a call that did not return the text says at its end what became of it, " <- unwind", and of values
 * that it has not got "-"; JSON says so of every call, and null.
 *
 * A line has to fit into what is left of a buffer, and names may have any length: so those of the
 * event and its place have a share of it each, which for JSON is all that there is. All else has a limit: 32 arguments of 32 + 24 bytes,
 * a group of 63, a thread's name.
 */
#include "trace/report/format.h"

#define REST_MAX 8192 /* bytes of an event in JSON, without its name and place */
#define SYMBOL_MAX                                                                                 \
	160 /* bytes of a symbol: 32 of them, and what they are called, are in the rest */

EP_TRAP_PATH static void put_time(struct trace_text *text, uint64_t nanoseconds,
				  unsigned int digits)
{
	trace_text_unsigned(text, nanoseconds / 1000000000, digits, ' ');
	trace_text_char(text, '.');
	trace_text_unsigned(text, nanoseconds % 1000000000, 9, '0');
}

EP_TRAP_PATH static char printable(uint64_t value)
{
	return value >= ' ' && value < 0x7f ? (char)value : '.';
}

EP_TRAP_PATH static void put_hex(struct trace_text *text, uint64_t value, const char *quote)
{
	trace_text_string(text, quote);
	trace_text_hex(text, value);
	trace_text_string(text, quote);
}

/* No frame for the name where there is nobody who has any. */
EP_TRAP_PATH __attribute__((noinline)) static bool put_name(struct trace_text *text,
							    const struct trace_event *event,
							    uint64_t value, const char *quote)
{
	const struct trace_namer *namer = event->namer;
	char name[SYMBOL_MAX];

	if (!namer->name(namer->data, event->process, value, event->time, name, sizeof(name)))
		return false;
	if (*quote)
		trace_text_json_within(text, name, SYMBOL_MAX);
	else
		trace_text_plain_within(text, name, SYMBOL_MAX);
	return true;
}

EP_TRAP_PATH static void put_value(struct trace_text *text, const struct trace_event *event,
				   uint32_t arg, const char *quote)
{
	enum trace_type type = event->view->args[arg].type;
	uint64_t value = event->values[arg];
	char one[2] = {printable(value), '\0'};

	if (type <= TRACE_TYPE_u64) {
		trace_text_unsigned(text, value, 1, '0');
	} else if (type <= TRACE_TYPE_s64) {
		trace_text_signed(text, (int64_t)value);
	} else if (type <= TRACE_TYPE_x64) {
		put_hex(text, value, quote);
	} else if (type == TRACE_TYPE_symbol) {
		if (!event->namer || !put_name(text, event, value, quote))
			put_hex(text, value, quote);
	} else if (*quote) {
		trace_text_json(text, one);
	} else {
		trace_text_char(text, '\'');
		trace_text_char(text, one[0]);
		trace_text_char(text, '\'');
	}
}

/* Nothing returned, so no register is what it returned with. */
EP_TRAP_PATH static bool is_absent(const struct trace_event *event, uint32_t arg)
{
	return event->end != EP_END_RETURN && event->view->args[arg].fetch == TRACE_FETCH_REGISTER;
}

EP_TRAP_PATH static void put_end(struct trace_text *text, enum ep_end end)
{
	static const char names[][8] = {"return", "unwind", "jump", "exit"};

	trace_text_string(text, names[end]);
}

EP_TRAP_PATH static void put_text(struct trace_text *text, const struct trace_event *event)
{
	size_t start = text->used, length = trace_text_length(event->comm);
	const struct trace_view *view = event->view;

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
	for (uint32_t i = 0; i < view->arg_count; i++) {
		trace_text_char(text, ' ');
		trace_text_string(text, view->args[i].name);
		trace_text_char(text, '=');
		if (is_absent(event, i))
			trace_text_char(text, '-');
		else
			put_value(text, event, i, "");
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

EP_TRAP_PATH static void put_json(struct trace_text *text, const struct trace_event *event)
{
	size_t share = name_share(text);
	const struct trace_view *view = event->view;

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
	for (uint32_t i = 0; i < view->arg_count; i++) {
		put_string(text, i ? "," : "", view->args[i].name);
		trace_text_char(text, ':');
		if (is_absent(event, i))
			trace_text_string(text, "null");
		else
			put_value(text, event, i, "\"");
	}
	trace_text_string(text, "}}\n");
}

EP_TRAP_PATH void trace_format_event(struct trace_text *text, enum trace_format format,
				     const struct trace_event *event)
{
	if (format == TRACE_FORMAT_JSON)
		put_json(text, event);
	else
		put_text(text, event);
}
