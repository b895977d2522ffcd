/* SPDX-License-Identifier: MIT */
/*
 * An argument is parsed once into an offset, a size and a type; in the trap it is one load and one
 * widening. What needs a look at memory (strings, dereferences) is recognized, and refused as not
 * supported yet.
 */
#include "trace/language/args.h"

#include <string.h>

#include "trace/language/registers.h"
#include "x86/regs.h"

#define ARG_NAME_MAX 31

static const struct {
	char name[7];
	uint8_t size;
} types[] = {
#define TYPE_ROW(name, size) {#name, size},
	TRACE_TYPES(TYPE_ROW)
#undef TYPE_ROW
};

/* ---- types --------------------------------------------------------------------------------- */

static int reject_type(struct trace_scanner *scanner, struct trace_span span)
{
	static const char *const later[] = {"string", "ustring", "symstr"};

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (trace_span_is(span, later[i]))
			return trace_syntax(scanner, span.at, "type %s is not supported yet",
					    later[i]);
	if (trace_span_find(span, '['))
		return trace_syntax(scanner, trace_span_find(span, '['),
				    "arrays are not supported yet");
	if (trace_span_find(span, '@'))
		return trace_syntax(scanner, span.at, "bitfields are not supported yet");
	return trace_syntax(scanner, span.at,
			    "no such type: u8..u64, s8..s64, x8..x64 and char are known");
}

static int parse_type(struct trace_scanner *scanner, struct trace_span span, struct trace_arg *arg)
{
	enum trace_type type = 0;

	if (!span.size)
		return trace_syntax(scanner, span.at, "no type behind ':'");
	while (type < TRACE_TYPE_COUNT && !trace_span_is(span, types[type].name))
		type++;
	if (type == TRACE_TYPE_COUNT)
		return reject_type(scanner, span);
	if (type == TRACE_TYPE_symbol && arg->fetch != TRACE_FETCH_CALLER)
		return trace_syntax(scanner, span.at, "type symbol is supported for $caller only");
	arg->type = (uint8_t)type;
	return 0;
}

/* ---- what to fetch ------------------------------------------------------------------------- */

static int use_register(struct trace_register reg, struct trace_arg *arg)
{
	arg->offset = reg.offset;
	arg->size = reg.size;
	return 0;
}

static int parse_register(struct trace_scanner *scanner, struct trace_span span,
			  struct trace_arg *arg)
{
	struct trace_register reg;

	if (trace_register_find(span.at + 1, span.size - 1, &reg))
		return use_register(reg, arg);
	if (span.size > 4 && memcmp(span.at, "%xmm", 4) == 0)
		return trace_syntax(scanner, span.at, "vector registers are not supported yet");
	return trace_syntax(scanner, span.at, "no such register");
}

/* $argN: the registers that hold arguments at a function's entry hold something else later. */
static int parse_argument(struct trace_scanner *scanner, struct trace_span span,
			  const struct trace_definition *definition, struct trace_arg *arg)
{
	const struct ep_place *place = &definition->place;
	struct trace_span number = {span.at + 4, span.size - 4};
	struct trace_register reg;
	uint64_t value;

	if (!trace_span_number(number, &value) || value == 0)
		return trace_syntax(scanner, number.at, "arguments are $arg1, $arg2, ...");
	if (place->symbol && place->offset)
		return trace_syntax(scanner, span.at, "$argN is known at a function's entry only");
	if (!trace_register_of_argument(value, &reg))
		return trace_syntax(scanner, span.at,
				    "arguments beyond $arg6 are on the stack: not supported yet");
	use_register(reg, arg);
	if (definition->is_return) {
		arg->fetch = TRACE_FETCH_ENTRY;
		arg->word = (uint8_t)(TRACE_CALL_ARGS + value - 1);
	}
	return 0;
}

static const struct call_variable {
	const char *name;
	struct trace_arg arg;
} call_variables[] = {
	/* System V ABI for x86-64, "Returning of Values" */
	{"$retval",
	 {.fetch = TRACE_FETCH_REGISTER, .type = TRACE_TYPE_x64, .offset = EP_REGS_RAX, .size = 8}},
	{"$latency", {.fetch = TRACE_FETCH_LATENCY, .type = TRACE_TYPE_u64, .size = 8}},
	{"$caller", {.fetch = TRACE_FETCH_CALLER, .type = TRACE_TYPE_symbol, .size = 8}},
};

static const struct call_variable *find_call_variable(struct trace_span span)
{
	for (size_t i = 0; i < sizeof(call_variables) / sizeof(call_variables[0]); i++)
		if (trace_span_is(span, call_variables[i].name))
			return &call_variables[i];
	return NULL;
}

static int use_call_variable(struct trace_scanner *scanner, struct trace_span span,
			     const struct trace_definition *definition,
			     const struct call_variable *variable, struct trace_arg *arg)
{
	const char *name = arg->name;

	if (!definition->is_return)
		return trace_syntax(scanner, span.at,
				    "%s is of calls, which \"r:EVENT PLACE\" follows: not of 'p'",
				    variable->name);
	*arg = variable->arg;
	arg->name = name;
	return 0;
}

static int parse_variable(struct trace_scanner *scanner, struct trace_span span,
			  const struct trace_definition *definition, struct trace_arg *arg)
{
	const struct call_variable *variable = find_call_variable(span);

	if (span.size >= 4 && memcmp(span.at, "$arg", 4) == 0)
		return parse_argument(scanner, span, definition, arg);
	if (variable)
		return use_call_variable(scanner, span, definition, variable, arg);
	if (trace_span_is(span, "$comm") || (span.size >= 6 && memcmp(span.at, "$stack", 6) == 0))
		return trace_syntax(scanner, span.at, "%.*s is not supported yet", (int)span.size,
				    span.at);
	return trace_syntax(scanner, span.at, "no such variable");
}

static int parse_fetch(struct trace_scanner *scanner, struct trace_span span,
		       const struct trace_definition *definition, struct trace_arg *arg)
{
	switch (span.size ? span.at[0] : '\0') {
	case '%':
		return parse_register(scanner, span, arg);
	case '$':
		return parse_variable(scanner, span, definition, arg);
	case '@':
	case '+':
	case '-':
		return trace_syntax(scanner, span.at, "reading memory is not supported yet");
	case '\\':
		return trace_syntax(scanner, span.at, "constants are not supported yet");
	case '\0':
		return trace_syntax(scanner, span.at, "nothing to fetch: a %%REGISTER or $argN");
	default:
		return trace_syntax(scanner, span.at,
				    "cannot be fetched: a %%REGISTER or $argN is needed");
	}
}

/* ---- one argument -------------------------------------------------------------------------- */

static int check_unique(struct trace_scanner *scanner, const struct trace_definition *definition,
			const char *name, const char *at)
{
	for (uint32_t i = 0; i < definition->arg_count; i++)
		if (strcmp(definition->args[i].name, name) == 0)
			return trace_syntax(scanner, at, "another argument is called %s", name);
	return 0;
}

static int set_name(struct trace_scanner *scanner, struct trace_arena *arena,
		    struct trace_span span, struct trace_arg *arg)
{
	if (!span.size)
		return trace_syntax(scanner, span.at, "no name in front of '='");
	if (!trace_is_name(span.at, span.size) || span.size > ARG_NAME_MAX)
		return trace_syntax(scanner, span.at,
				    "not a name: up to %d letters, digits and '_'", ARG_NAME_MAX);
	arg->name = trace_arena_copy(arena, span.at, span.size);
	return arg->name ? 0 : -EP_NO_MEMORY;
}

/* The kernel's default: arg1, arg2, ... */
static int set_default_name(struct trace_arena *arena, uint32_t index, struct trace_arg *arg)
{
	char name[] = {'a', 'r', 'g', (char)('0' + (index + 1) / 10),
		       (char)('0' + (index + 1) % 10)};
	size_t skip = index + 1 < 10;

	if (skip)
		name[3] = name[4];
	arg->name = trace_arena_copy(arena, name, sizeof(name) - skip);
	return arg->name ? 0 : -EP_NO_MEMORY;
}

static int parse_arg(struct trace_scanner *scanner, struct trace_arena *arena,
		     struct trace_span word, const struct trace_definition *definition,
		     struct trace_arg *ret)
{
	const char *equals = trace_span_find(word, '='), *colon, *start = word.at;
	int error;

	*ret = (struct trace_arg){.type = TRACE_TYPE_x64};
	if (equals) {
		error = set_name(scanner, arena, trace_span_before(word, equals), ret);
		word = trace_span_behind(word, equals);
	} else {
		error = set_default_name(arena, definition->arg_count, ret);
	}
	if (error || !ret->name)
		return error;
	error = check_unique(scanner, definition, ret->name, start);
	if (error)
		return error;
	colon = trace_span_find(word, ':');
	error = parse_fetch(scanner, colon ? trace_span_before(word, colon) : word, definition,
			    ret);
	if (error)
		return error;
	return colon ? parse_type(scanner, trace_span_behind(word, colon), ret) : 0;
}

int trace_args_parse(struct trace_scanner *scanner, struct trace_arena *arena,
		     struct trace_definition *definition)
{
	struct trace_span word;
	struct trace_arg args[TRACE_ARGS_MAX];

	definition->args = args;
	while (trace_scan_word(scanner, &word)) {
		int error;

		if (trace_span_is(word, "if"))
			return trace_syntax(scanner, word.at, "filters are not supported yet");
		if (definition->arg_count == TRACE_ARGS_MAX)
			return trace_syntax(scanner, word.at, "more than %d arguments",
					    TRACE_ARGS_MAX);
		error = parse_arg(scanner, arena, word, definition, &args[definition->arg_count]);
		if (error)
			return error;
		definition->arg_count++;
	}
	definition->args = trace_arena_alloc(arena, definition->arg_count * sizeof(args[0]) + 1);
	if (!definition->args)
		return -EP_NO_MEMORY;
	memcpy(definition->args, args, definition->arg_count * sizeof(args[0]));
	return 0;
}

/* ---- in the trap --------------------------------------------------------------------------- */

EP_TRAP_PATH uint64_t trace_arg_widen(const struct trace_arg *arg, uint64_t value)
{
	unsigned int wanted = types[arg->type].size, size = arg->size < wanted ? arg->size : wanted;
	unsigned int unused = 64 - 8 * size;

	if (arg->type >= TRACE_TYPE_s8 && arg->type <= TRACE_TYPE_s64)
		return (uint64_t)((int64_t)(value << unused) >> unused);
	return value << unused >> unused;
}

/* x86 is little-endian: a narrower register is the lower bytes, %ah one byte further on. */
EP_TRAP_PATH uint64_t trace_arg_fetch(const struct trace_arg *arg, const struct ep_regs *regs)
{
	uint64_t value =
		((const uint64_t *)(const void *)regs)[arg->offset / 8] >> 8 * (arg->offset % 8);

	return trace_arg_widen(arg, value);
}
