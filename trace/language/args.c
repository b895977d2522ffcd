/* SPDX-License-Identifier: MIT */
#include "trace/language/args.h"

#include <string.h>

#include "trace/language/builder.h"
#include "trace/language/fetch.h"
#include "trace/language/filter.h"
#include "trace/language/types.h"

#define ARG_NAME_MAX 31

struct parse {
	struct trace_builder builder;
	struct trace_arg args[TRACE_ARGS_MAX];
	struct trace_named named[TRACE_ARGS_MAX];
};

/* ---- names --------------------------------------------------------------------------------- */

/*
 * perf(1) names an argument twice where a variable of an inlined function is another one's: what is the
 * same in all is left out the second time.
 */
static int check_unique(const struct parse *parse, const char *name, const char *at,
			struct trace_span fetch, bool *ret_is_same)
{
	*ret_is_same = false;
	for (uint32_t i = 0; i < parse->builder.definition->arg_count; i++) {
		struct trace_span other = parse->named[i].fetch;

		if (strcmp(parse->args[i].name, name) != 0)
			continue;
		*ret_is_same = fetch.size && other.size == fetch.size &&
			       memcmp(other.at, fetch.at, fetch.size) == 0;
		if (!*ret_is_same)
			return trace_syntax(parse->builder.scanner, at,
					    "another argument is called %s [USED_ARG_NAME]", name);
	}
	return 0;
}

static int set_name(struct parse *parse, struct trace_span span, struct trace_arg *arg)
{
	if (!span.size)
		return trace_syntax(parse->builder.scanner, span.at,
				    "no name in front of '=' [NO_ARG_NAME]");
	if (!trace_is_name(span.at, span.size) || span.size > ARG_NAME_MAX)
		return trace_syntax(
			parse->builder.scanner, span.at,
			"not a name: up to %d letters, digits and '_' [%s]", ARG_NAME_MAX,
			span.size > ARG_NAME_MAX ? "ARG_NAME_TOO_LONG" : "BAD_ARG_NAME");
	arg->name = trace_arena_copy(parse->builder.arena, span.at, span.size);
	return arg->name ? 0 : -EP_NO_MEMORY;
}

/* The kernel's default: arg1, arg2, ... */
static int set_default_name(struct parse *parse, uint32_t index, struct trace_arg *arg)
{
	char name[8] = "arg", digits[4];
	size_t used = 3, count = 0;

	for (uint32_t number = index + 1; number; number /= 10)
		digits[count++] = (char)('0' + number % 10);
	while (count)
		name[used++] = digits[--count];
	arg->name = trace_arena_copy(parse->builder.arena, name, used);
	return arg->name ? 0 : -EP_NO_MEMORY;
}

/* ---- arguments ------------------------------------------------------------------------------ */

/* A '=' in what is fetched belongs to a text. */
static const char *find_equals(struct trace_span word)
{
	return trace_fetch_begins(word.at[0]) ? NULL : trace_span_find(word, '=');
}

/* The name stands there twice if it is cut. */
static int check_length(struct parse *parse, struct trace_span word, const struct trace_arg *arg)
{
	parse->builder.text += trace_type_text(&arg->type) + 2 * ARG_NAME_MAX + 8;
	if (parse->builder.text <= TRACE_ARGS_TEXT)
		return 0;
	return trace_syntax(parse->builder.scanner, word.at,
			    "with this one the line of an event could have more than %d bytes",
			    TRACE_ARGS_TEXT);
}

static int parse_arg(struct parse *parse, struct trace_span word)
{
	uint32_t index = parse->builder.definition->arg_count;
	const char *equals = find_equals(word), *start = word.at;
	struct trace_arg *arg = &parse->args[index];
	bool is_same = false;
	int error;

	*arg = (struct trace_arg){0};
	if (equals) {
		error = set_name(parse, trace_span_before(word, equals), arg);
		word = trace_span_behind(word, equals);
	} else {
		error = set_default_name(parse, index, arg);
	}
	if (error || !arg->name)
		return error;
	error = check_unique(parse, arg->name, start, word, &is_same);
	if (is_same)
		return 0;
	if (!error)
		error = trace_fetch_parse(&parse->builder, word, false, arg);
	if (!error)
		error = check_length(parse, word, arg);
	parse->named[index] =
		(struct trace_named){word, arg->value, arg->origin == TRACE_OF_PROGRAM};
	parse->builder.definition->arg_count += !error;
	return error;
}

static int parse_filter(struct parse *parse, const char *at, struct trace_filter *ret)
{
	struct trace_span rest = trace_scan_rest(parse->builder.scanner);

	if (!rest.size)
		return trace_syntax(parse->builder.scanner, at, "no condition behind \"if\"");
	parse->builder.scanner->at += rest.size;
	return trace_filter_parse(&parse->builder, rest, parse->named, ret);
}

static int parse_all(struct parse *parse, struct trace_filter *filter)
{
	struct trace_builder *builder = &parse->builder;
	struct trace_span word;

	builder->definition->args = parse->args;
	while (trace_scan_word(builder->scanner, &word)) {
		int error;

		if (trace_span_is(word, "if"))
			return parse_filter(parse, word.at, filter);
		if (builder->definition->arg_count == TRACE_ARGS_MAX)
			return trace_syntax(builder->scanner, word.at, "more than %d arguments",
					    TRACE_ARGS_MAX);
		error = parse_arg(parse, word);
		if (error)
			return error;
	}
	return 0;
}

/* A writer wants to know it of every call. What has no name is not shown. */
static int add_duration(struct parse *parse)
{
	static const char fetch[] = "$latency";
	struct trace_definition *definition = parse->builder.definition;
	struct trace_arg *arg = &parse->args[definition->arg_count];
	int error;

	for (uint32_t i = 0; i < definition->arg_count; i++)
		if (parse->args[i].origin == TRACE_OF_LATENCY)
			return 0;
	if (definition->arg_count == TRACE_ARGS_MAX)
		return 0;
	*arg = (struct trace_arg){.name = ""};
	error = trace_fetch_parse(&parse->builder, (struct trace_span){fetch, sizeof(fetch) - 1},
				  false, arg);
	definition->arg_count += !error;
	return error;
}

/* Which value of the record each argument is. */
static int keep_args(struct parse *parse)
{
	struct trace_definition *definition = parse->builder.definition;
	size_t size = definition->arg_count * sizeof(struct trace_arg);
	struct trace_arg *args = trace_arena_alloc(parse->builder.arena, size + 1);

	if (!args)
		return -EP_NO_MEMORY;
	memcpy(args, parse->args, size);
	for (uint32_t i = 0; i < definition->arg_count; i++)
		args[i].value = args[i].origin <= TRACE_OF_LATENCY
					? parse->builder.chains[args[i].value].value
					: 0;
	definition->args = args;
	return 0;
}

int trace_args_parse(struct trace_scanner *scanner, struct trace_arena *arena,
		     struct trace_definition *definition)
{
	struct trace_filter filter = {NULL, 0};
	struct trace_arena scratch = {0};
	struct parse *parse = trace_arena_alloc(&scratch, sizeof(*parse));
	int error = -EP_NO_MEMORY;

	if (parse) {
		parse->builder = (struct trace_builder){
			.scanner = scanner, .arena = arena, .definition = definition};
		error = parse_all(parse, &filter);
	}
	if (!error && definition->is_timed)
		error = add_duration(parse);
	if (!error)
		error = trace_builder_finish(&parse->builder, filter.steps, filter.count);
	if (!error)
		error = keep_args(parse);
	trace_arena_deinit(&scratch);
	return error;
}
