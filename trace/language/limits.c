/* SPDX-License-Identifier: MIT */
/* Limits are few, and so are the definitions that they are looked up in. */
#include "trace/language/limits.h"

#include <stdio.h>
#include <string.h>

#include "trace/language/scanner.h"

enum kind { FIRST, EVERY, TID, AFTER, FOR, KINDS };

static const char names[KINDS][6] = {"first", "every", "tid", "after", "for"};

struct parser {
	const struct trace_definitions *definitions;
	struct trace_limits *list;
	struct ep_error_at *error;
	size_t column; /* of the line */
};

static int fail(const struct parser *parser, const char *message, struct trace_span span)
{
	if (!parser->error)
		return -EP_SYNTAX;
	parser->error->error = EP_SYNTAX;
	parser->error->column = parser->column;
	snprintf(parser->error->message, sizeof(parser->error->message), message,
		 span.size > 60 ? 60 : (int)span.size, span.at);
	return -EP_SYNTAX;
}

static bool is_event(const struct trace_definition *definition, struct trace_span name)
{
	const char *own = definition->event ? definition->event : definition->place.symbol;

	return own && trace_span_is(name, own);
}

/* Its number, from 1 on; 0: there is none. */
static uint32_t find_event(const struct parser *parser, struct trace_span name)
{
	for (uint32_t i = 0; i < parser->definitions->count; i++)
		if (is_event(&parser->definitions->list[i], name))
			return i + 1;
	return 0;
}

static void set(struct trace_limits *limits, enum kind kind, uint64_t number)
{
	limits->any = true;
	if (kind == FIRST)
		limits->first = number;
	else if (kind == EVERY)
		limits->every = number;
	else if (kind == TID)
		limits->tid = (int32_t)number;
	else if (kind == AFTER && !limits->is_awaited)
		limits->after = (uint32_t)number;
}

static int parse_value(const struct parser *parser, enum kind kind, struct trace_span value,
		       uint64_t *ret)
{
	if (kind == AFTER) {
		*ret = find_event(parser, value);
		if (!*ret)
			return fail(parser, "no definition has an event called %.*s", value);
		parser->list[*ret - 1].is_awaited = parser->list[*ret - 1].any = true;
		parser->list[*ret - 1].after = 0;
		return 0;
	}
	if (!trace_span_number(value, ret) || !*ret || *ret > INT32_MAX)
		return fail(parser, "%.*s is not a number from 1 to 2147483647", value);
	return 0;
}

static int parse_limit(const struct parser *parser, enum kind kind, struct trace_span rest)
{
	const char *colon = trace_span_find(rest, ':');
	struct trace_span event = colon ? trace_span_before(rest, colon) : rest;
	bool any = !colon;
	uint64_t number;
	int error =
		parse_value(parser, kind, colon ? trace_span_behind(rest, colon) : rest, &number);

	if (error)
		return error;
	for (size_t i = 0; i < parser->definitions->count; i++) {
		if (colon && !is_event(&parser->definitions->list[i], event))
			continue;
		any = true;
		set(&parser->list[i], kind, number);
	}
	return any ? 0 : fail(parser, "no definition has an event called %.*s", event);
}

static int parse_line(const struct parser *parser, struct trace_span line, bool *any)
{
	const char *blank = trace_span_find(line, ' ');

	for (enum kind kind = 0; blank && kind < KINDS; kind++) {
		if (!trace_span_is(trace_span_before(line, blank), names[kind]))
			continue;
		*any = true;
		return parse_limit(parser, kind, trace_span_behind(line, blank));
	}
	return 0;
}

int trace_limits_parse(const char *text, const struct trace_definitions *definitions,
		       struct trace_arena *arena, struct trace_limits **ret,
		       struct ep_error_at *error)
{
	struct parser parser = {.definitions = definitions, .error = error};
	bool any = false;
	int failed = 0;

	parser.list = trace_arena_alloc(arena, definitions->count * sizeof(*parser.list) + 1);
	if (!parser.list)
		return -EP_NO_MEMORY;
	for (const char *at = text; *at && !failed; at += *at == '\n') {
		size_t size = strcspn(at, "\n");

		parser.column = (size_t)(at - text);
		failed = parse_line(&parser, (struct trace_span){at, size}, &any);
		at += size;
	}
	if (!failed)
		*ret = any ? parser.list : NULL;
	return failed;
}
