/* SPDX-License-Identifier: MIT */
/*
 * The grammar of the kernel's uprobe_events, as a superset. Not all of it works yet, but all of it
 * is recognized: "not supported yet" and "wrong" are different messages. One recursive descent,
 * one function per rule; the first error ends it, pointing at the byte where it was noticed.
 *
 *	definition := [HEAD] PLACE {ARG} | "-:" [GROUP "/"] [EVENT]
 *
 * head.c, place.c and args.c parse these. A deletion takes what it names out of the list.
 */
#include "trace/language/parse.h"

#include <string.h>

#include "trace/language/args.h"
#include "trace/language/head.h"
#include "trace/language/place.h"

struct parser {
	struct trace_scanner scanner;
	struct trace_arena *arena;
	struct trace_definition *list;
	size_t count, room;
	bool is_timed; /* calls are, all of them */
};

static int check_unique(struct parser *parser, const struct trace_definition *definition)
{
	for (size_t i = 0; definition->event && i < parser->count; i++) {
		const struct trace_definition *other = &parser->list[i];

		if (other->event && strcmp(other->event, definition->event) == 0 &&
		    strcmp(other->group, definition->group) == 0)
			return trace_syntax(&parser->scanner,
					    parser->scanner.text + definition->column,
					    "another probe is called %s/%s", definition->group,
					    definition->event);
	}
	return 0;
}

static bool is_named(const struct trace_definition *definition,
		     const struct trace_definition *deletion)
{
	const char *event = deletion->event, *group = deletion->group;

	return (!event || (definition->event && strcmp(definition->event, event) == 0)) &&
	       (!group || strcmp(definition->group, group) == 0);
}

/* As in the kernel: without a group, the events of that name in all groups; a group alone is all of it. */
static int forget(struct parser *parser, const struct trace_definition *deletion)
{
	const char *group = deletion->group, *event = deletion->event;
	struct trace_span word;
	size_t kept = 0;

	if (trace_scan_word(&parser->scanner, &word))
		return trace_syntax(&parser->scanner, word.at,
				    "nothing can stand behind the event that is deleted");
	for (size_t i = 0; i < parser->count; i++)
		if (!is_named(&parser->list[i], deletion))
			parser->list[kept++] = parser->list[i];
	if (kept == parser->count)
		return trace_syntax(&parser->scanner,
				    parser->scanner.text + deletion->column + strlen("-:"),
				    "no definition before this one is called %s%s%s",
				    group ? group : "", group ? "/" : "", event ? event : "");
	parser->count = kept;
	return 0;
}

static int parse_place_and_args(struct parser *parser, struct trace_words *words,
				struct trace_definition *ret)
{
	int error = check_unique(parser, ret);

	if (!error)
		error = trace_place_parse(words, ret);
	ret->args_at = (size_t)(parser->scanner.at - parser->scanner.text) - ret->column;
	ret->is_timed = parser->is_timed && ret->is_return;
	if (!error)
		error = trace_args_parse(&parser->scanner, parser->arena, ret);
	if (!error)
		parser->count++;
	return error;
}

/* Puts it behind the others in the list, which has room. */
static int parse_definition(struct parser *parser, struct trace_definition *ret)
{
	struct trace_words words = {&parser->scanner, parser->arena};
	struct trace_span all = trace_scan_rest(&parser->scanner);
	int error;

	*ret = (struct trace_definition){
		.group = "uprobes",
		.column = (size_t)(all.at - parser->scanner.text),
		.text = trace_arena_copy(parser->arena, all.at, all.size),
	};
	if (!ret->text)
		return -EP_NO_MEMORY;
	error = trace_head_parse(&words, ret);
	if (error)
		return error;
	return ret->is_deletion ? forget(parser, ret) : parse_place_and_args(parser, &words, ret);
}

static int make_room(struct parser *parser)
{
	size_t room = parser->room ? parser->room * 2 : 16;
	struct trace_definition *list;

	if (parser->count < parser->room)
		return 0;
	list = trace_arena_alloc(parser->arena, room * sizeof(*list));
	if (!list)
		return -EP_NO_MEMORY;
	if (parser->count)
		memcpy(list, parser->list, parser->count * sizeof(*list));
	parser->list = list;
	parser->room = room;
	return 0;
}

int trace_definitions_parse_timed(const char *text, bool is_timed, struct trace_arena *arena,
				  struct trace_definitions *ret, struct ep_error_at *error)
{
	struct parser parser = {
		.scanner = {.text = text, .at = text, .error = error},
		.arena = arena,
		.is_timed = is_timed,
	};

	while (trace_scan_definition(&parser.scanner)) {
		int failed = make_room(&parser);

		if (!failed)
			failed = parse_definition(&parser, &parser.list[parser.count]);
		if (failed)
			return failed;
	}
	*ret = (struct trace_definitions){parser.list, parser.count};
	return 0;
}

int trace_definitions_parse(const char *text, struct trace_arena *arena,
			    struct trace_definitions *ret, struct ep_error_at *error)
{
	return trace_definitions_parse_timed(text, false, arena, ret, error);
}
