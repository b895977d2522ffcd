/* SPDX-License-Identifier: MIT */
/*
 * Where a probe is to stand:
 *
 *	[OBJECT ":"] (NUMBER | NAME ["+" NUMBER]) ["%return"] ["(" REFCTR ")"] ["?"]
 *	NAME := (SYMBOL | GLOB) ["@" ["@"] VERSION]
 *
 * "p" with "%return" is "r". OBJECT and SYMBOL may be quoted: then they are names, whatever stands in
 * them.
 */
#include "trace/language/place.h"

#include <string.h>

static int copy(struct trace_words *words, struct trace_span span, const char **ret)
{
	*ret = trace_arena_copy(words->arena, span.at, span.size);
	return *ret ? 0 : -EP_NO_MEMORY;
}

static int parse_offset(struct trace_words *words, struct trace_span span, const char *what,
			const char *kernel_word, uint64_t *ret)
{
	if (!trace_span_number(span, ret))
		return trace_syntax(words->scanner, span.at, "the %s is not a number [%s]", what,
				    kernel_word);
	return 0;
}

/* The name in the quotes that *@span begins with; *@span: what is behind them. */
static int parse_quoted(struct trace_words *words, struct trace_span *span, const char **ret)
{
	struct trace_span name = trace_span_quoted(*span);
	char *copied;
	size_t used = 0;

	if (!name.size)
		return trace_syntax(words->scanner, span->at, "no name between the quotes");
	copied = trace_arena_copy(words->arena, name.at, name.size);
	if (!copied)
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < name.size; i++) {
		if (name.at[i] == '\\' && name.at[++i] != '"' && name.at[i] != '\\')
			return trace_syntax(
				words->scanner, &name.at[i - 1],
				"in quotes, '\\' stands in front of '\"' and '\\' only");
		copied[used++] = name.at[i];
	}
	copied[used] = '\0';
	*ret = copied;
	*span = trace_span_behind(*span, name.at + name.size);
	return 0;
}

static int reject_quote(struct trace_words *words, struct trace_span span)
{
	const char *quote = trace_span_find(span, '"');

	return quote ? trace_syntax(words->scanner, quote,
				    "a quote in the middle of a name: they go around all of it")
		     : 0;
}

static int parse_object(struct trace_words *words, struct trace_span span, struct ep_place *place)
{
	int error;

	if (span.at[0] != '"') {
		error = reject_quote(words, span);
		return error ? error : copy(words, span, &place->object);
	}
	error = parse_quoted(words, &span, &place->object);
	if (!error && span.size)
		error = trace_syntax(words->scanner, span.at,
				     "only ':' can stand behind the closing quote");
	place->is_literal |= EP_LITERAL_OBJECT;
	return error;
}

/* VERSION, or "@" VERSION: as the default only. */
static int parse_version(struct trace_words *words, struct trace_span version,
			 struct trace_definition *definition)
{
	bool is_default = version.size && version.at[0] == '@';

	if (version.size == is_default)
		return trace_syntax(words->scanner, version.at + is_default,
				    "no version behind '@'");
	definition->version_column = (size_t)(version.at - words->scanner->text);
	return copy(words, version, &definition->place.version);
}

/* ["@" VERSION] ["+" NUMBER], behind a name. */
static int parse_behind_name(struct trace_words *words, struct trace_span rest,
			     struct trace_definition *definition)
{
	const char *plus = trace_span_find_last(rest, '+');
	int error;

	if (plus) {
		error = parse_offset(words, trace_span_behind(rest, plus), "offset behind '+'",
				     "BAD_PROBE_ADDR", &definition->place.offset);
		if (error)
			return error;
		rest = trace_span_before(rest, plus);
	}
	return rest.size ? parse_version(words, trace_span_behind(rest, rest.at), definition) : 0;
}

/* QUOTED ["@" VERSION] ["+" NUMBER] */
static int parse_quoted_symbol(struct trace_words *words, struct trace_span loc,
			       struct trace_definition *definition)
{
	int error = parse_quoted(words, &loc, &definition->place.symbol);

	definition->place.is_literal |= EP_LITERAL_SYMBOL;
	if (error || !loc.size)
		return error;
	if (loc.at[0] != '+' && loc.at[0] != '@')
		return trace_syntax(words->scanner, loc.at,
				    "only '@', '+' and an offset can stand behind the closing "
				    "quote");
	return parse_behind_name(words, loc, definition);
}

/* NUMBER | NAME ["+" NUMBER] */
static int parse_loc(struct trace_words *words, struct trace_span loc,
		     struct trace_definition *definition)
{
	struct ep_place *place = &definition->place;
	const char *behind;
	int error;

	if (loc.at[0] == '"')
		return parse_quoted_symbol(words, loc, definition);
	error = reject_quote(words, loc);
	if (error)
		return error;
	if (loc.at[0] >= '0' && loc.at[0] <= '9')
		return parse_offset(words, loc, "file offset", "BAD_UPROBE_OFFS", &place->offset);
	behind = trace_span_find(loc, '@');
	if (!behind)
		behind = trace_span_find_last(loc, '+');
	if (behind == loc.at)
		return trace_syntax(words->scanner, behind, "no symbol in front of '%c'", *behind);
	if (behind) {
		size_t skipped = (size_t)(behind - loc.at);

		error = parse_behind_name(words, (struct trace_span){behind, loc.size - skipped},
					  definition);
		if (error)
			return error;
		loc = trace_span_before(loc, behind);
	}
	return copy(words, loc, &place->symbol);
}

/* "(" REFCTR ")" at the end: *loc goes on without it. */
static int parse_semaphore(struct trace_words *words, struct trace_span *loc,
			   struct ep_place *place)
{
	const char *open = trace_span_find_bare(*loc, '('), *close;
	struct trace_span number;

	if (!open)
		return 0;
	number = trace_span_behind(*loc, open);
	close = trace_span_find(number, ')');
	if (!close)
		return trace_syntax(
			words->scanner, loc->at + loc->size,
			"the reference counter's '(' is not closed [REFCNT_OPEN_BRACE]");
	if (close + 1 != loc->at + loc->size)
		return trace_syntax(
			words->scanner, close + 1,
			"only '?' can stand behind the reference counter [REFCNT_BAD_SUFFIX]");
	number = trace_span_before(number, close);
	if (!trace_span_number(number, &place->semaphore))
		return trace_syntax(words->scanner, number.at,
				    "the reference counter is no offset in the file (names with "
				    "'(' stand in quotes) [BAD_REFCNT]");
	if (place->semaphore % sizeof(uint16_t))
		return trace_syntax(words->scanner, number.at,
				    "the reference counter's offset is odd [BAD_REFCNT]");
	if (open == loc->at)
		return trace_syntax(words->scanner, open, "no symbol or offset in front of '('");
	*loc = trace_span_before(*loc, open);
	return 0;
}

/* "%return" behind the place: *loc goes on without it. */
static int parse_return(struct trace_words *words, struct trace_span *loc,
			struct trace_definition *definition)
{
	const char *at = trace_span_find_bare(*loc, '%');
	struct trace_span behind;

	if (!at)
		return 0;
	behind = trace_span_behind(*loc, at);
	if (!trace_span_is(behind, "return"))
		return trace_syntax(words->scanner, at,
				    "'%%' in a place: only \"%%return\" at its end is known");
	if (at == loc->at)
		return trace_syntax(words->scanner, at, "no symbol or offset in front of '%%'");
	definition->is_return = true;
	*loc = trace_span_before(*loc, at);
	return 0;
}

/* Calls are followed from where they enter. */
static int check_entry(struct trace_words *words, struct trace_span loc,
		       const struct trace_definition *definition)
{
	if (definition->is_return && definition->place.symbol && definition->place.offset)
		return trace_syntax(
			words->scanner, trace_span_find_last(loc, '+'),
			"a return probe is of a whole function: no offset from it [BAD_RETPROBE]");
	return 0;
}

/* "p:malloc" */
static int reject_missing(struct trace_words *words, const struct trace_definition *definition)
{
	if (definition->event)
		return trace_syntax(words->scanner, words->scanner->at,
				    "the place is missing: '%s' is the event's name; as a place it "
				    "is \"%c %s\"",
				    definition->event, definition->is_return ? 'r' : 'p',
				    definition->event);
	return trace_syntax(words->scanner, words->scanner->at, "the place is missing");
}

/* The word that is a place, without a '?' behind it. */
static int scan_place(struct trace_words *words, struct trace_definition *definition,
		      struct trace_span *ret)
{
	const char *quote;

	if (!trace_scan_word(words->scanner, ret))
		return reject_missing(words, definition);
	quote = trace_span_open_quote(*ret);
	if (quote)
		return trace_syntax(words->scanner, quote, TRACE_QUOTE_OPEN);
	definition->place_column = (size_t)(ret->at - words->scanner->text);
	if (ret->at[ret->size - 1] == '?') {
		definition->optional = true;
		ret->size--;
	}
	return 0;
}

static size_t loc_size(struct trace_span loc)
{
	const char *open = trace_span_find_bare(loc, '(');

	return open ? (size_t)(open - loc.at) : loc.size;
}

int trace_place_parse(struct trace_words *words, struct trace_definition *definition)
{
	struct trace_span word;
	const char *colon;
	int error = scan_place(words, definition, &word);

	if (error)
		return error;
	colon = trace_span_find_last_bare(word, ':');
	if (colon == word.at)
		return trace_syntax(words->scanner, colon, "no object in front of ':'");
	if (colon) {
		error = parse_object(words, trace_span_before(word, colon), &definition->place);
		if (error)
			return error;
		word = trace_span_behind(word, colon);
	}
	if (!word.size)
		return trace_syntax(words->scanner, word.at, "no symbol or offset %s",
				    colon ? "behind ':'" : "in front of '?'");
	if (!colon && word.at[0] == '/')
		return trace_syntax(words->scanner, word.at + word.size,
				    "no ':' and symbol or offset behind the path");
	definition->loc_column = (size_t)(word.at - words->scanner->text);
	definition->semaphore_column = definition->loc_column + loc_size(word);
	error = parse_semaphore(words, &word, &definition->place);
	if (!error)
		error = parse_return(words, &word, definition);
	if (!error)
		error = parse_loc(words, word, definition);
	return error ? error : check_entry(words, word, definition);
}
