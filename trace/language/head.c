/* SPDX-License-Identifier: MIT */
/*
 * The first word of a definition:
 *
 *	("p" | "r" [MAXACTIVE]) [":" [GROUP "/"] [EVENT]] | "-:" [GROUP "/"] [EVENT]
 *
 * People type what other tools take. A first word that is nothing of that kind is a place: a function
 * that is called "p" has to be written "p p". Where two readings are possible, the message has the line
 * to write.
 */
#include "trace/language/head.h"

#include <string.h>

/* Of an event or of a group. */
struct name_kind {
	const char *what, *bad, *too_long;
};

static const struct name_kind of_group = {"group name", "BAD_GROUP_NAME", "GROUP_TOO_LONG"};
static const struct name_kind of_event = {"event name", "BAD_EVENT_NAME", "EVENT_TOO_LONG"};

static int parse_name(struct trace_words *words, struct trace_span span,
		      const struct name_kind *kind, const char **ret)
{
	if (span.size > TRACE_NAME_MAX)
		return trace_syntax(words->scanner, span.at, "the %s is longer than %d bytes [%s]",
				    kind->what, TRACE_NAME_MAX, kind->too_long);
	for (size_t i = 0; i < span.size; i++)
		if (!trace_is_name_byte(span.at[i], i == 0))
			return trace_syntax(
				words->scanner, span.at + i,
				"'%c' cannot stand %s the %s: letters, digits and '_' [%s]",
				span.at[i], i ? "in" : "at the start of", kind->what, kind->bad);
	*ret = trace_arena_copy(words->arena, span.at, span.size);
	return *ret ? 0 : -EP_NO_MEMORY;
}

/* [GROUP "/"] [EVENT] */
static int parse_names(struct trace_words *words, struct trace_span span,
		       struct trace_definition *definition)
{
	const char *slash = trace_span_find(span, '/');
	int error;

	if (slash == span.at)
		return trace_syntax(words->scanner, slash,
				    "no group name in front of '/' [NO_GROUP_NAME]");
	if (slash) {
		error = parse_name(words, trace_span_before(span, slash), &of_group,
				   &definition->group);
		if (error)
			return error;
		span = trace_span_behind(span, slash);
	}
	return span.size ? parse_name(words, span, &of_event, &definition->event) : 0;
}

/* [MAXACTIVE] */
static int parse_max_active(struct trace_words *words, struct trace_span span, uint32_t *ret)
{
	uint64_t number = 0;

	if (span.size && !trace_span_number(span, &number))
		return trace_syntax(words->scanner, span.at,
				    "expected a number, ':' or a blank after 'r' [BAD_MAXACT]");
	if (number > TRACE_CALLS_MAX)
		return trace_syntax(
			words->scanner, span.at,
			"more than %d calls at once cannot be asked for [MAXACT_TOO_BIG]",
			TRACE_CALLS_MAX);
	*ret = (uint32_t)number;
	return 0;
}

/* Nothing, "p", "r", or one of them with what can only be a wrong MAXACTIVE. */
static bool is_kind(struct trace_span kind)
{
	if (!kind.size || kind.at[0] == '-')
		return true;
	if (kind.at[0] != 'p' && kind.at[0] != 'r')
		return false;
	return kind.size == 1 || kind.at[1] == '-' || (kind.at[1] >= '0' && kind.at[1] <= '9');
}

static int parse_kind(struct trace_words *words, struct trace_span kind,
		      struct trace_definition *definition)
{
	uint64_t number;

	switch (kind.size ? kind.at[0] : '\0') {
	case 'p':
		if (kind.size == 1)
			return 0;
		kind = (struct trace_span){kind.at + 1, kind.size - 1};
		if (trace_span_number(kind, &number))
			return trace_syntax(
				words->scanner, kind.at,
				"only 'r' can be followed by a number [MAXACT_NO_KPROBE]");
		return trace_syntax(words->scanner, kind.at, "expected ':' or a blank after 'p'");
	case 'r':
		definition->is_return = true;
		return parse_max_active(words, (struct trace_span){kind.at + 1, kind.size - 1},
					&definition->max_active);
	case '-':
		definition->is_deletion = true;
		definition->group = NULL; /* of any */
		return kind.size == 1 ? 0
				      : trace_syntax(words->scanner, kind.at + 1,
						     "expected ':' and an event's name after '-'");
	default:
		return trace_syntax(words->scanner, kind.at,
				    "a definition starts with 'p' or 'r', as in \"p:EVENT PLACE\"");
	}
}

/* "p:libc:malloc": there is no event's name that could have a ':' in it. */
static int reject_place_in_names(struct trace_words *words, struct trace_span span,
				 const char *colon, char kind)
{
	struct trace_span first = trace_span_before(span, colon),
			  rest = trace_span_behind(span, colon);
	bool has_event = trace_span_find(rest, ':') && trace_is_name(first.at, first.size);

	if (has_event)
		return trace_syntax(words->scanner, colon,
				    "a blank stands in front of the place: \"%c:%.*s %.*s\"", kind,
				    (int)first.size, first.at, (int)rest.size, rest.at);
	return trace_syntax(words->scanner, span.at,
			    "behind '%c:' stands an event's name; for this place write \"%c %.*s\"",
			    kind, kind, (int)span.size, span.at);
}

/* ":" [GROUP "/"] [EVENT] */
static int parse_behind_kind(struct trace_words *words, struct trace_span word, const char *colon,
			     struct trace_definition *definition)
{
	struct trace_span names = trace_span_behind(word, colon);
	const char *second = trace_span_find(names, ':');

	if (!names.size)
		return trace_syntax(words->scanner, colon, "no name behind ':'");
	if (second)
		return reject_place_in_names(words, names, second,
					     definition->is_return ? 'r' : 'p');
	return parse_names(words, names, definition);
}

/* Could args.c take it for an argument? */
static bool looks_like_argument(struct trace_span word)
{
	return strchr("%$@+-\\", word.at[0]) || trace_span_find(word, '=') ||
	       trace_span_is(word, "if");
}

static bool has_prefix(struct trace_span word, const char *prefix)
{
	size_t size = strlen(prefix);

	return word.size >= size && memcmp(word.at, prefix, size) == 0;
}

static int reject_kernels(struct trace_words *words, struct trace_span word)
{
	static const char *const kernels[] = {
		"kprobe:", "kretprobe:", "kfunc:",	"kretfunc:",
		"fentry:", "fexit:",	 "tracepoint:", "rawtracepoint:"};

	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++)
		if (has_prefix(word, kernels[i]))
			return trace_syntax(words->scanner, word.at,
					    "the kernel is not probed, but programs are, as in "
					    "\"p libc.so.6:read\"");
	return 0;
}

/* A place as the first word: [("uprobe" | "uretprobe") ":"] PLACE */
static int parse_unprefixed(struct trace_words *words, struct trace_scanner ahead,
			    struct trace_span word, struct trace_definition *definition)
{
	static const char entry[] = "uprobe:", end[] = "uretprobe:";
	struct trace_span second;
	int error = reject_kernels(words, word);

	if (error)
		return error;
	if (has_prefix(word, entry))
		words->scanner->at = word.at + sizeof(entry) - 1;
	definition->is_return = has_prefix(word, end);
	if (definition->is_return)
		words->scanner->at = word.at + sizeof(end) - 1;
	if (trace_scan_word(&ahead, &second) && !looks_like_argument(second))
		return trace_syntax(words->scanner, word.at,
				    "a definition starts with 'p' or 'r', as in \"p %.*s\"; or it "
				    "is a place alone",
				    second.size < 80 ? (int)second.size : 80, second.at);
	return 0;
}

int trace_head_parse(struct trace_words *words, struct trace_definition *definition)
{
	struct trace_scanner ahead = *words->scanner;
	struct trace_span word, kind;
	const char *colon;
	int error;

	trace_scan_word(&ahead, &word);
	colon = trace_span_find(word, ':');
	kind = colon ? trace_span_before(word, colon) : word;
	if (!is_kind(kind))
		return parse_unprefixed(words, ahead, word, definition);
	*words->scanner = ahead;
	error = parse_kind(words, kind, definition);
	if (!error && colon)
		return parse_behind_kind(words, word, colon, definition);
	if (!error && definition->is_deletion)
		return trace_syntax(words->scanner, word.at + word.size,
				    "expected ':' and an event's name after '-'");
	return error;
}
