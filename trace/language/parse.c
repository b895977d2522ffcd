/* SPDX-License-Identifier: MIT */
/*
 * The grammar of the kernel's uprobe_events, as a superset. Not all of it works yet, but all of it
 * is recognized: "not supported yet" and "wrong" are different messages. One recursive descent,
 * one function per rule; the first error ends it, pointing at the byte where it was noticed.
 *
 *	definition := ("p" | "r" [MAXACTIVE]) [":" [GROUP "/"] [EVENT]] PLACE {ARG}
 *	PLACE      := [OBJECT ":"] (NUMBER | SYMBOL ["+" NUMBER] | GLOB) ["%return"] ["?"]
 *
 * args.c parses ARG. "p" with "%return" is "r". OBJECT and SYMBOL may be quoted: then they are
 * names, whatever stands in them.
 */
#include "trace/language/parse.h"

#include <string.h>

#include "trace/language/args.h"
#include "trace/language/scanner.h"

struct parser {
	struct trace_scanner scanner;
	struct trace_arena *arena;
	struct trace_definition *list;
	size_t count, room;
};

/* ---- kind, group and event ----------------------------------------------------------------- */

static int parse_name(struct parser *parser, struct trace_span span, const char *what,
		      const char **ret)
{
	if (span.size > TRACE_NAME_MAX)
		return trace_syntax(&parser->scanner, span.at, "the %s is longer than %d bytes",
				    what, TRACE_NAME_MAX);
	for (size_t i = 0; i < span.size; i++)
		if (!trace_is_name_byte(span.at[i], i == 0))
			return trace_syntax(&parser->scanner, span.at + i,
					    "'%c' cannot stand %s the %s: letters, digits and '_'",
					    span.at[i], i ? "in" : "at the start of", what);
	*ret = trace_arena_copy(parser->arena, span.at, span.size);
	return *ret ? 0 : -EP_NO_MEMORY;
}

/* [GROUP "/"] [EVENT] */
static int parse_names(struct parser *parser, struct trace_span span,
		       struct trace_definition *definition)
{
	const char *slash = trace_span_find(span, '/');
	int error;

	if (slash == span.at)
		return trace_syntax(&parser->scanner, slash, "no group name in front of '/'");
	if (slash) {
		error = parse_name(parser, trace_span_before(span, slash), "group name",
				   &definition->group);
		if (error)
			return error;
		span = trace_span_behind(span, slash);
	}
	return span.size ? parse_name(parser, span, "event name", &definition->event) : 0;
}

/* [MAXACTIVE] */
static int parse_max_active(struct parser *parser, struct trace_span span, uint32_t *ret)
{
	uint64_t number = 0;

	if (span.size && !trace_span_number(span, &number))
		return trace_syntax(&parser->scanner, span.at,
				    "expected a number, ':' or a blank after 'r'");
	if (number > TRACE_CALLS_MAX)
		return trace_syntax(&parser->scanner, span.at,
				    "more than %d calls at once cannot be asked for",
				    TRACE_CALLS_MAX);
	*ret = (uint32_t)number;
	return 0;
}

static int parse_kind(struct parser *parser, struct trace_span kind,
		      struct trace_definition *definition)
{
	uint64_t number;

	switch (kind.size ? kind.at[0] : '\0') {
	case 'p':
		if (kind.size == 1)
			return 0;
		kind = (struct trace_span){kind.at + 1, kind.size - 1};
		if (trace_span_number(kind, &number))
			return trace_syntax(&parser->scanner, kind.at,
					    "only 'r' can be followed by a number");
		return trace_syntax(&parser->scanner, kind.at, "expected ':' or a blank after 'p'");
	case 'r':
		definition->is_return = true;
		return parse_max_active(parser, (struct trace_span){kind.at + 1, kind.size - 1},
					&definition->max_active);
	case '-':
		return trace_syntax(&parser->scanner, kind.at,
				    "there is nothing to remove: only 'p' and 'r' in a list");
	default:
		return trace_syntax(&parser->scanner, kind.at,
				    "a definition starts with 'p' or 'r', as in \"p:EVENT PLACE\"");
	}
}

static int parse_head(struct parser *parser, struct trace_definition *definition)
{
	struct trace_span word;
	const char *colon;
	int error;

	trace_scan_word(&parser->scanner, &word);
	colon = trace_span_find(word, ':');
	error = parse_kind(parser, colon ? trace_span_before(word, colon) : word, definition);
	if (error || !colon)
		return error;
	word = trace_span_behind(word, colon);
	if (!word.size)
		return trace_syntax(&parser->scanner, colon, "no name behind ':'");
	return parse_names(parser, word, definition);
}

/* ---- place --------------------------------------------------------------------------------- */

static int copy(struct parser *parser, struct trace_span span, const char **ret)
{
	*ret = trace_arena_copy(parser->arena, span.at, span.size);
	return *ret ? 0 : -EP_NO_MEMORY;
}

static int reject_unsupported(struct parser *parser, struct trace_span loc)
{
	const char *at = trace_span_find(loc, '(');

	if (at)
		return trace_syntax(&parser->scanner, at,
				    "reference counters are not supported yet");
	at = trace_span_find(loc, '@');
	if (at)
		return trace_syntax(&parser->scanner, at, "symbol versions are not supported yet");
	return 0;
}

static int parse_offset(struct parser *parser, struct trace_span span, const char *what,
			uint64_t *ret)
{
	if (!trace_span_number(span, ret))
		return trace_syntax(&parser->scanner, span.at, "the %s is not a number", what);
	return 0;
}

/* The name in the quotes that *@span begins with; *@span: what is behind them. */
static int parse_quoted(struct parser *parser, struct trace_span *span, const char **ret)
{
	struct trace_span name = trace_span_quoted(*span);
	char *copied;
	size_t used = 0;

	if (!name.size)
		return trace_syntax(&parser->scanner, span->at, "no name between the quotes");
	copied = trace_arena_copy(parser->arena, name.at, name.size);
	if (!copied)
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < name.size; i++) {
		if (name.at[i] == '\\' && name.at[++i] != '"' && name.at[i] != '\\')
			return trace_syntax(
				&parser->scanner, &name.at[i - 1],
				"in quotes, '\\' stands in front of '\"' and '\\' only");
		copied[used++] = name.at[i];
	}
	copied[used] = '\0';
	*ret = copied;
	*span = trace_span_behind(*span, name.at + name.size);
	return 0;
}

static int reject_quote(struct parser *parser, struct trace_span span)
{
	const char *quote = trace_span_find(span, '"');

	return quote ? trace_syntax(&parser->scanner, quote,
				    "a quote in the middle of a name: they go around all of it")
		     : 0;
}

static int parse_object(struct parser *parser, struct trace_span span, struct ep_place *place)
{
	int error;

	if (span.at[0] != '"') {
		error = reject_quote(parser, span);
		return error ? error : copy(parser, span, &place->object);
	}
	error = parse_quoted(parser, &span, &place->object);
	if (!error && span.size)
		error = trace_syntax(&parser->scanner, span.at,
				     "only ':' can stand behind the closing quote");
	place->is_literal |= EP_LITERAL_OBJECT;
	return error;
}

/* QUOTED ["+" NUMBER] */
static int parse_quoted_symbol(struct parser *parser, struct trace_span loc, struct ep_place *place)
{
	int error = parse_quoted(parser, &loc, &place->symbol);

	place->is_literal |= EP_LITERAL_SYMBOL;
	if (error || !loc.size)
		return error;
	error = reject_unsupported(parser, loc);
	if (error)
		return error;
	if (loc.at[0] != '+')
		return trace_syntax(&parser->scanner, loc.at,
				    "only '+' and an offset can stand behind the closing quote");
	return parse_offset(parser, trace_span_behind(loc, loc.at), "offset behind '+'",
			    &place->offset);
}

/* NUMBER | SYMBOL ["+" NUMBER] | GLOB */
static int parse_loc(struct parser *parser, struct trace_span loc, struct ep_place *place)
{
	const char *plus = trace_span_find_last(loc, '+');
	int error;

	if (loc.at[0] == '"')
		return parse_quoted_symbol(parser, loc, place);
	error = reject_quote(parser, loc);
	if (!error)
		error = reject_unsupported(parser, loc);
	if (error)
		return error;
	if (loc.at[0] >= '0' && loc.at[0] <= '9')
		return parse_offset(parser, loc, "file offset", &place->offset);
	if (plus == loc.at)
		return trace_syntax(&parser->scanner, plus, "no symbol in front of '+'");
	if (plus) {
		error = parse_offset(parser, trace_span_behind(loc, plus), "offset behind '+'",
				     &place->offset);
		if (error)
			return error;
		loc = trace_span_before(loc, plus);
	}
	return copy(parser, loc, &place->symbol);
}

/* "%return" behind the place: *loc goes on without it. */
static int parse_return(struct parser *parser, struct trace_span *loc,
			struct trace_definition *definition)
{
	const char *at = trace_span_find_bare(*loc, '%');
	struct trace_span behind;

	if (!at)
		return 0;
	behind = trace_span_behind(*loc, at);
	if (trace_span_find(behind, '('))
		return reject_unsupported(parser, behind);
	if (!trace_span_is(behind, "return"))
		return trace_syntax(&parser->scanner, at,
				    "'%%' in a place: only \"%%return\" at its end is known");
	if (at == loc->at)
		return trace_syntax(&parser->scanner, at, "no symbol or offset in front of '%%'");
	definition->is_return = true;
	*loc = trace_span_before(*loc, at);
	return 0;
}

/* Calls are followed from where they enter. */
static int check_entry(struct parser *parser, struct trace_span loc,
		       const struct trace_definition *definition)
{
	if (definition->is_return && definition->place.symbol && definition->place.offset)
		return trace_syntax(&parser->scanner, trace_span_find_last(loc, '+'),
				    "a return probe is of a whole function: no offset from it");
	return 0;
}

/* The word that is a place, without a '?' behind it. */
static int scan_place(struct parser *parser, struct trace_definition *definition,
		      struct trace_span *ret)
{
	const char *quote;

	if (!trace_scan_word(&parser->scanner, ret))
		return trace_syntax(&parser->scanner, parser->scanner.at, "the place is missing");
	quote = trace_span_open_quote(*ret);
	if (quote)
		return trace_syntax(&parser->scanner, quote, TRACE_QUOTE_OPEN);
	definition->place_column = (size_t)(ret->at - parser->scanner.text);
	if (ret->at[ret->size - 1] == '?') {
		definition->optional = true;
		ret->size--;
	}
	return 0;
}

static int parse_place(struct parser *parser, struct trace_definition *definition)
{
	struct trace_span word;
	const char *colon;
	int error = scan_place(parser, definition, &word);

	if (error)
		return error;
	colon = trace_span_find_last_bare(word, ':');
	if (colon == word.at)
		return trace_syntax(&parser->scanner, colon, "no object in front of ':'");
	if (colon) {
		error = parse_object(parser, trace_span_before(word, colon), &definition->place);
		if (error)
			return error;
		word = trace_span_behind(word, colon);
	}
	if (!word.size)
		return trace_syntax(&parser->scanner, word.at, "no symbol or offset %s",
				    colon ? "behind ':'" : "in front of '?'");
	if (!colon && word.at[0] == '/')
		return trace_syntax(&parser->scanner, word.at + word.size,
				    "no ':' and symbol or offset behind the path");
	definition->loc_column = (size_t)(word.at - parser->scanner.text);
	error = parse_return(parser, &word, definition);
	if (!error)
		error = parse_loc(parser, word, &definition->place);
	return error ? error : check_entry(parser, word, definition);
}

/* ---- the list ------------------------------------------------------------------------------ */

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

static int parse_definition(struct parser *parser, struct trace_definition *ret)
{
	struct trace_span all = trace_scan_rest(&parser->scanner);
	int error;

	*ret = (struct trace_definition){
		.group = "uprobes",
		.column = (size_t)(all.at - parser->scanner.text),
		.text = trace_arena_copy(parser->arena, all.at, all.size),
	};
	if (!ret->text)
		return -EP_NO_MEMORY;
	error = parse_head(parser, ret);
	if (!error)
		error = check_unique(parser, ret);
	if (!error)
		error = parse_place(parser, ret);
	if (!error)
		error = trace_args_parse(&parser->scanner, parser->arena, ret);
	return error;
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

int trace_definitions_parse(const char *text, struct trace_arena *arena,
			    struct trace_definitions *ret, struct ep_error_at *error)
{
	struct parser parser = {
		.scanner = {.text = text, .at = text, .error = error},
		.arena = arena,
	};

	while (trace_scan_definition(&parser.scanner)) {
		int failed = make_room(&parser);

		if (!failed)
			failed = parse_definition(&parser, &parser.list[parser.count]);
		if (failed)
			return failed;
		parser.count++;
	}
	*ret = (struct trace_definitions){parser.list, parser.count};
	return 0;
}
