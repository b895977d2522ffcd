/* SPDX-License-Identifier: MIT */
/*
 * From the inside to the outside: +8(+0(%di)) is register di, eight bytes read there, and what lies 8
 * bytes behind that address: how much is read there, and whether at all, the type says.
 */
#include "trace/language/fetch.h"

#include <string.h>

#include "trace/language/registers.h"
#include "trace/language/types.h"
#include "x86/regs.h"

#define FLOAT_REGISTERS 8 /* for arguments: System V ABI for x86-64, "Parameter Passing" */
#define LANE_BYTES	16

/* Where the steps so far have led. */
struct operand {
	bool is_memory; /* the value is an address, and what is meant lies .offset behind it */
	bool is_return_address;
	bool is_text; /* the value is the address of a text that is always there */
	uint64_t offset;
	struct trace_type type; /* if none is given */
	uint8_t origin;		/* enum trace_origin: other than OF_PROGRAM, there are no steps */
	/* of a register that is not narrowed yet: bytes, and the first of them */
	uint8_t size, byte;
};

struct fetch {
	struct trace_builder *builder;
	struct trace_scanner *scanner;
	const struct trace_type *type; /* NULL: none was given */
	struct operand *operand;
	bool at_hit;
	unsigned int depth;
};

static const struct trace_type x64 = {.kind = TRACE_HEX, .size = 8};
static const struct trace_type text = {.kind = TRACE_STRING, .limit = TRACE_STRING_BYTES};

static int add(struct fetch *fetch, struct trace_step step)
{
	return trace_builder_add(fetch->builder, step);
}

static bool is_return(const struct fetch *fetch)
{
	return fetch->builder->definition->is_return;
}

static bool is_float(const struct fetch *fetch)
{
	return fetch->type && fetch->type->kind == TRACE_FLOAT && !fetch->type->elements &&
	       fetch->depth == 0;
}

static bool begins_with(struct trace_span span, const char *prefix)
{
	size_t size = strlen(prefix);

	return span.size >= size && memcmp(span.at, prefix, size) == 0;
}

static struct trace_span rest_of(struct trace_span span, size_t skipped)
{
	return (struct trace_span){span.at + skipped, span.size - skipped};
}

/* ---- registers ----------------------------------------------------------------------------- */

/* Of a call they are as they are at its return: at another end there are none. */
static int use_register(struct fetch *fetch, struct trace_register reg)
{
	trace_builder_chain(fetch->builder)->needs_return |= is_return(fetch);
	fetch->operand->size = reg.size;
	fetch->operand->byte = reg.offset % 8;
	return add(fetch, (struct trace_step){.code = TRACE_STEP_REGISTER, .from = reg.offset / 8});
}

/* Eight bytes of it, from the lane on or so that they end with it. */
static int use_vector(struct fetch *fetch, uint8_t number, unsigned int byte, uint8_t size)
{
	unsigned int from = byte <= LANE_BYTES - 8 ? byte : LANE_BYTES - 8;

	trace_builder_chain(fetch->builder)->needs_return |= is_return(fetch);
	fetch->operand->size = size;
	fetch->operand->byte = (uint8_t)(byte - from);
	return add(fetch,
		   (struct trace_step){.code = TRACE_STEP_VECTOR, .from = number, .number = from});
}

/* xmmN or xmmN[LANE] */
static int parse_vector(struct fetch *fetch, struct trace_span span)
{
	const char *bracket = trace_span_find(span, '[');
	struct trace_span digits =
		rest_of(bracket ? trace_span_before(span, bracket) : span, strlen("%xmm"));
	uint8_t size = fetch->type && !fetch->depth && fetch->type->size ? fetch->type->size : 8;
	uint64_t number, lane = 0;

	if (!trace_span_number(digits, &number) || number > 15)
		return trace_syntax(fetch->scanner, span.at, "no such register [BAD_REG_NAME]");
	if (bracket) {
		digits = rest_of(span, (size_t)(bracket + 1 - span.at));
		if (!digits.size || digits.at[digits.size - 1] != ']')
			return trace_syntax(fetch->scanner, bracket, "no ']' behind the lane");
		digits.size--;
		if (!trace_span_number(digits, &lane) || lane >= LANE_BYTES / size)
			return trace_syntax(fetch->scanner, digits.at,
					    "the lanes of %u bytes are 0 to %u", size,
					    LANE_BYTES / size - 1u);
	}
	if (is_return(fetch))
		return trace_syntax(fetch->scanner, span.at,
				    "vector registers are not to be had at a return, but for "
				    "$retval:f64");
	return use_vector(fetch, (uint8_t)number, (unsigned int)lane * size, size);
}

static int parse_register(struct fetch *fetch, struct trace_span span)
{
	struct trace_register reg;

	if (trace_register_find(span.at + 1, span.size - 1, &reg))
		return use_register(fetch, reg);
	if (begins_with(span, "%xmm"))
		return parse_vector(fetch, span);
	return trace_syntax(fetch->scanner, span.at, "no such register [BAD_REG_NAME]");
}

/* ---- arguments of a function ---------------------------------------------------------------- */

/* What is known at a call's entry only is kept until its end. */
static int keep(struct fetch *fetch, struct trace_keep wanted, const char *at)
{
	struct trace_builder *builder = fetch->builder;
	uint32_t i = 0;

	while (i < builder->kept_count &&
	       (builder->kept[i].kind != wanted.kind || builder->kept[i].number != wanted.number))
		i++;
	if (i == TRACE_KEPT_MAX)
		return trace_syntax(fetch->scanner, at,
				    "more than %d arguments to be kept until the return",
				    TRACE_KEPT_MAX);
	builder->kept[i] = wanted;
	builder->kept_count += i == builder->kept_count;
	fetch->operand->size = 8;
	return add(fetch, (struct trace_step){.code = TRACE_STEP_WORD,
					      .from = (uint8_t)(TRACE_CALL_KEPT + i)});
}

/* Above the return address. */
static int use_stack(struct fetch *fetch, uint64_t bytes, const char *at)
{
	const struct trace_keep word = {TRACE_KEEP_STACK, (uint16_t)bytes};
	const struct trace_step rsp = {.code = TRACE_STEP_REGISTER, .from = X86_RSP};

	if (bytes > 4096)
		return trace_syntax(fetch->scanner, at, "that far up is no argument [BAD_ARG_NUM]");
	if (is_return(fetch))
		return keep(fetch, word, at);
	fetch->operand->is_memory = true;
	fetch->operand->offset = bytes;
	return add(fetch, rsp);
}

static int use_float_argument(struct fetch *fetch, uint64_t number, const char *at)
{
	if (number > FLOAT_REGISTERS)
		return trace_syntax(fetch->scanner, at,
				    "of floating-point arguments the first %d are known",
				    FLOAT_REGISTERS);
	if (is_return(fetch))
		return keep(fetch, (struct trace_keep){TRACE_KEEP_VECTOR, (uint16_t)(number - 1)},
			    at);
	return use_vector(fetch, (uint8_t)(number - 1), 0, 8);
}

/* $argN: the registers that hold arguments at a function's entry hold something else later. */
static int parse_argument(struct fetch *fetch, struct trace_span span)
{
	const struct ep_place *place = &fetch->builder->definition->place;
	struct trace_span digits = rest_of(span, strlen("$arg"));
	struct trace_register reg;
	uint64_t number;

	if (!trace_span_number(digits, &number) || number == 0)
		return trace_syntax(fetch->scanner, digits.at, "arguments are $arg1, $arg2, ...");
	if (place->symbol && place->offset)
		return trace_syntax(fetch->scanner, span.at,
				    "$argN is known at a function's entry only");
	if (is_float(fetch))
		return use_float_argument(fetch, number, span.at);
	if (!trace_register_of_argument(number, &reg))
		return use_stack(fetch, number > 1000 ? UINT16_MAX : 8 * (number - 6), span.at);
	if (is_return(fetch))
		return keep(fetch, (struct trace_keep){TRACE_KEEP_REGISTER, reg.offset / 8},
			    span.at);
	return use_register(fetch, reg);
}

/* ---- variables ------------------------------------------------------------------------------ */

/* System V ABI for x86-64, "Returning of Values" */
static int use_retval(struct fetch *fetch)
{
	if (!is_float(fetch))
		return use_register(fetch, (struct trace_register){EP_REGS_RAX, 8});
	trace_builder_chain(fetch->builder)->needs_return = true;
	return add(fetch, (struct trace_step){.code = TRACE_STEP_RETVAL_VECTOR});
}

static int use_latency(struct fetch *fetch)
{
	fetch->builder->is_timed = true;
	fetch->operand->type = (struct trace_type){TRACE_UNSIGNED, .size = 8};
	if (fetch->at_hit)
		return add(fetch, (struct trace_step){.code = TRACE_STEP_LATENCY});
	fetch->operand->origin = TRACE_OF_LATENCY;
	return add(fetch, (struct trace_step){.code = TRACE_STEP_WORD, .from = TRACE_CALL_TIME});
}

static int use_caller(struct fetch *fetch)
{
	fetch->operand->type = (struct trace_type){TRACE_SYMBOL, .size = 8};
	fetch->operand->is_return_address = true;
	return add(fetch, (struct trace_step){.code = TRACE_STEP_CALLER});
}

/* Calls within calls: a register has it no more when the call ends. */
static int use_depth(struct fetch *fetch)
{
	fetch->operand->type = (struct trace_type){TRACE_UNSIGNED, .size = 8};
	return keep(fetch, (struct trace_keep){TRACE_KEEP_DEPTH, 0}, fetch->scanner->at);
}

static int use_from_program(struct fetch *fetch)
{
	fetch->operand->type = (struct trace_type){TRACE_UNSIGNED, .size = 1};
	return add(fetch, (struct trace_step){.code = TRACE_STEP_FROM_PROGRAM});
}

static const struct {
	const char *name;
	int (*use)(struct fetch *fetch);
} of_calls[] = {{"$retval", use_retval},
		{"$latency", use_latency},
		{"$caller", use_caller},
		{"$depth", use_depth},
		{"$from_program", use_from_program}};

/* What the reader knows of each event. */
static const struct {
	const char *name;
	uint8_t origin, code;
	struct trace_type type;
} of_reader[] = {
	{"$ts", TRACE_OF_TIME, TRACE_STEP_TIME, {TRACE_UNSIGNED, .size = 8}},
	{"$tid", TRACE_OF_TID, TRACE_STEP_TID, {TRACE_UNSIGNED, .size = 4}},
	{"$pid", TRACE_OF_PID, TRACE_STEP_PID, {TRACE_UNSIGNED, .size = 4}},
	{"$cpu", TRACE_OF_CPU, TRACE_STEP_CPU, {TRACE_UNSIGNED, .size = 4}},
	{"$comm", TRACE_OF_COMM, TRACE_STEP_COMM, {TRACE_STRING, .limit = 16}},
	{"$COMM", TRACE_OF_COMM, TRACE_STEP_COMM, {TRACE_STRING, .limit = 16}},
};

static int use_of_reader(struct fetch *fetch, size_t index, const char *at)
{
	fetch->operand->type = of_reader[index].type;
	fetch->operand->is_text = of_reader[index].origin == TRACE_OF_COMM;
	if (fetch->depth)
		return trace_syntax(fetch->scanner, at, "%s is no address%s", of_reader[index].name,
				    fetch->operand->is_text ? " [COMM_CANT_DEREF]" : "");
	if (fetch->at_hit)
		return add(fetch, (struct trace_step){.code = of_reader[index].code});
	fetch->operand->origin = of_reader[index].origin;
	return 0;
}

/* $stack, $stackN */
static int parse_stack(struct fetch *fetch, struct trace_span span)
{
	struct trace_span digits = rest_of(span, strlen("$stack"));
	uint64_t number;
	int error;

	if (!digits.size)
		return use_register(fetch, (struct trace_register){EP_REGS_RSP, 8});
	if (!trace_span_number(digits, &number) || number > 8191)
		return trace_syntax(fetch->scanner, digits.at,
				    "words of the stack are $stack0 to $stack8191 [BAD_STACK_NUM]");
	error = use_register(fetch, (struct trace_register){EP_REGS_RSP, 8});
	fetch->operand->is_memory = true;
	fetch->operand->offset = 8 * number;
	return error;
}

static int parse_variable(struct fetch *fetch, struct trace_span span)
{
	if (begins_with(span, "$arg"))
		return parse_argument(fetch, span);
	if (begins_with(span, "$stack"))
		return parse_stack(fetch, span);
	for (size_t i = 0; i < sizeof(of_reader) / sizeof(of_reader[0]); i++)
		if (trace_span_is(span, of_reader[i].name))
			return use_of_reader(fetch, i, span.at);
	for (size_t i = 0; i < sizeof(of_calls) / sizeof(of_calls[0]); i++) {
		if (!trace_span_is(span, of_calls[i].name))
			continue;
		if (!is_return(fetch))
			return trace_syntax(
				fetch->scanner, span.at,
				"%s is of calls, which \"r:EVENT PLACE\" follows: not of 'p' "
				"[RETVAL_ON_PROBE]",
				of_calls[i].name);
		fetch->operand->size = 8;
		return of_calls[i].use(fetch);
	}
	return trace_syntax(fetch->scanner, span.at,
			    "no such variable: $argN, $retval, $latency, $caller, $depth, "
			    "$from_program, $stackN, $stack, $comm, $tid, $pid, $cpu and $ts "
			    "are known [BAD_VAR]");
}

/* ---- constants and addresses ---------------------------------------------------------------- */

/* \"TEXT", as it stands between the quotes */
static int parse_text(struct fetch *fetch, struct trace_span span)
{
	struct trace_span inner = {span.at + 2, span.size - 3};
	const char *copy;

	if (span.size < 3 || span.at[span.size - 1] != '"' || fetch->depth)
		return trace_syntax(fetch->scanner, span.at + 1,
				    fetch->depth ? "a text is no address" : TRACE_QUOTE_OPEN);
	copy = trace_arena_copy(fetch->builder->arena, inner.at, inner.size);
	if (!copy)
		return -EP_NO_MEMORY;
	fetch->operand->is_text = true;
	fetch->operand->type = text;
	return add(fetch, (struct trace_step){.code = TRACE_STEP_NUMBER, .number = (uint64_t)copy});
}

/* \NUMBER */
static int parse_constant(struct fetch *fetch, struct trace_span span)
{
	struct trace_span digits = rest_of(span, 1);
	bool is_negative = digits.size && digits.at[0] == '-';
	uint64_t number;

	if (digits.size && digits.at[0] == '"')
		return parse_text(fetch, span);
	if (is_negative || (digits.size && digits.at[0] == '+'))
		digits = rest_of(digits, 1);
	if (!trace_span_number(digits, &number))
		return trace_syntax(fetch->scanner, span.at + 1,
				    "a constant is \\NUMBER or \\\"TEXT\"");
	fetch->operand->size = 8;
	return add(fetch, (struct trace_step){.code = TRACE_STEP_NUMBER,
					      .number = is_negative ? -number : number});
}

static int add_link(struct fetch *fetch, const char *at, struct trace_span symbol, uint64_t offset)
{
	struct trace_builder *builder = fetch->builder;
	struct trace_link *link = trace_arena_alloc(builder->arena, sizeof(*link));

	if (!link)
		return -EP_NO_MEMORY;
	link->column = (size_t)(at - fetch->scanner->text);
	link->offset = offset;
	link->step = builder->count | TRACE_STEP_UNPLACED;
	link->next = builder->links;
	if (symbol.size) {
		link->symbol = trace_arena_copy(builder->arena, symbol.at, symbol.size);
		if (!link->symbol)
			return -EP_NO_MEMORY;
	}
	builder->links = link;
	return add(fetch, (struct trace_step){.code = TRACE_STEP_NUMBER});
}

/* The sign that separates an offset from the symbol in front of it. */
static const char *find_sign(struct trace_span span)
{
	const char *plus = trace_span_find_last(span, '+'),
		   *minus = trace_span_find_last(span, '-');

	return plus > minus ? plus : minus;
}

/* @SYMBOL[+|-OFFSET] */
static int parse_symbol(struct fetch *fetch, struct trace_span span)
{
	struct trace_span symbol = rest_of(span, 1);
	const char *sign = find_sign(symbol);
	uint64_t offset = 0;

	if (sign && !trace_span_number(trace_span_behind(symbol, sign), &offset))
		return trace_syntax(fetch->scanner, sign + 1,
				    "the offset from the symbol is not a number");
	if (sign && *sign == '-')
		offset = -offset;
	if (sign)
		symbol = trace_span_before(symbol, sign);
	if (!symbol.size)
		return trace_syntax(fetch->scanner, span.at + 1, "no symbol behind '@'");
	return add_link(fetch, span.at, symbol, offset);
}

/* @ADDRESS, @+FILEOFFSET, @SYMBOL: what lies there */
static int parse_address(struct fetch *fetch, struct trace_span span)
{
	struct trace_span digits = rest_of(span, 1);
	uint64_t number;
	int error;

	if (!digits.size)
		return trace_syntax(fetch->scanner, digits.at,
				    "no address behind '@' [BAD_MEM_ADDR]");
	if (digits.at[0] == '+') {
		digits = rest_of(digits, 1);
		if (!trace_span_number(digits, &number))
			return trace_syntax(
				fetch->scanner, digits.at,
				"the offset in the file is not a number [BAD_FILE_OFFS]");
		error = add_link(fetch, span.at, (struct trace_span){NULL, 0}, number);
	} else if (digits.at[0] >= '0' && digits.at[0] <= '9') {
		if (!trace_span_number(digits, &number))
			return trace_syntax(fetch->scanner, digits.at,
					    "the address is not a number [BAD_MEM_ADDR]");
		error = add(fetch,
			    (struct trace_step){.code = TRACE_STEP_NUMBER, .number = number});
	} else {
		error = parse_symbol(fetch, span);
	}
	fetch->operand->is_memory = true;
	return error;
}

/* ---- memory --------------------------------------------------------------------------------- */

/* +NUMBER or -NUMBER, with a 'u' in between that means the same here */
static int parse_distance(struct fetch *fetch, struct trace_span span, uint64_t *ret)
{
	bool is_user = span.size > 1 && span.at[1] == 'u';
	struct trace_span digits = rest_of(span, is_user ? 2 : 1);

	if (!trace_span_number(digits, ret) || *ret > INT64_MAX)
		return trace_syntax(
			fetch->scanner, digits.at,
			"the distance in front of '(' is not a number [BAD_DEREF_OFFS]");
	if (span.at[0] == '-')
		*ret = -*ret;
	return 0;
}

/* What is in memory so far is an address, to go on from. */
static int load_address(struct fetch *fetch)
{
	struct operand *operand = fetch->operand;
	uint64_t offset = operand->offset;
	bool is_memory = operand->is_memory;
	uint8_t size = operand->size, byte = operand->byte;

	*operand = (struct operand){.is_memory = true, .type = x64};
	if (is_memory)
		return add(fetch, (struct trace_step){.code = TRACE_STEP_LOAD_8, .number = offset});
	if (size == 0 || size == 8)
		return 0;
	return add(fetch, (struct trace_step){.code = TRACE_STEP_NARROW,
					      .left = (uint8_t)(64 - 8 * (size + byte)),
					      .right = (uint8_t)(64 - 8 * size)});
}

static int parse_one(struct fetch *fetch, struct trace_span span);

/* +DISTANCE(FETCH) */
static int parse_dereference(struct fetch *fetch, struct trace_span span)
{
	const char *open = trace_span_find(span, '(');
	struct trace_span inner;
	uint64_t distance = 0;
	int error;

	if (!open)
		return trace_syntax(
			fetch->scanner, span.at,
			"an address in parentheses is read: %c8(%%di) [DEREF_NEED_BRACE]",
			span.at[0]);
	error = parse_distance(fetch, trace_span_before(span, open), &distance);
	if (error)
		return error;
	inner = trace_span_behind(span, open);
	if (!inner.size || inner.at[inner.size - 1] != ')')
		return trace_syntax(fetch->scanner, span.at + span.size,
				    "no ')' at the end [DEREF_OPEN_BRACE]");
	if (++fetch->depth > TRACE_NEST_MAX)
		return trace_syntax(fetch->scanner, span.at, "more than %d of these in one another",
				    TRACE_NEST_MAX);
	inner.size--;
	error = parse_one(fetch, inner);
	if (!error)
		error = load_address(fetch);
	fetch->operand->offset = distance;
	return error;
}

bool trace_fetch_begins(char c)
{
	return c && strchr("%$@+-\\", c);
}

static int parse_one(struct fetch *fetch, struct trace_span span)
{
	switch (span.size ? span.at[0] : '\0') {
	case '%':
		return parse_register(fetch, span);
	case '$':
		return parse_variable(fetch, span);
	case '@':
		return parse_address(fetch, span);
	case '+':
	case '-':
		return parse_dereference(fetch, span);
	case '\\':
		return parse_constant(fetch, span);
	case '\0':
		return trace_syntax(fetch->scanner, span.at,
				    "nothing to fetch: a %%REGISTER or $argN [NO_ARG_BODY]");
	default:
		return trace_syntax(fetch->scanner, span.at,
				    "cannot be fetched: a %%REGISTER, $VARIABLE, @ADDRESS, "
				    "+OFFSET(FETCH) or \\CONSTANT is needed [BAD_FETCH_ARG]");
	}
}

/* ---- as its type says ----------------------------------------------------------------------- */

static int check_bulk(const struct fetch *fetch, const struct trace_type *type,
		      struct trace_span span)
{
	const struct operand *operand = fetch->operand;

	if (operand->is_memory ||
	    (operand->is_text && !type->elements && type->kind == TRACE_STRING))
		return 0;
	return trace_syntax(fetch->scanner, span.at,
			    "%s lies in memory: +0(%.*s) reads it at that address",
			    type->elements		 ? "an array"
			    : type->kind == TRACE_STRING ? "a string"
							 : "this",
			    (int)span.size, span.at);
}

static int finish_bulk(struct fetch *fetch, const struct trace_type *type, struct trace_span span)
{
	int error = check_bulk(fetch, type, span);

	trace_builder_chain(fetch->builder)->is_bulk = true;
	if (error || !fetch->operand->offset)
		return error;
	return add(fetch,
		   (struct trace_step){.code = TRACE_STEP_ADD, .number = fetch->operand->offset});
}

static int narrow(struct fetch *fetch, const struct trace_type *type, unsigned int size,
		  unsigned int byte)
{
	struct trace_builder *builder = fetch->builder;
	struct trace_step *last = &builder->steps[builder->count - 1];
	unsigned int bits = type->bits ? type->bits : 8 * (size < type->size ? size : type->size);
	unsigned int left = 64 - bits - type->shift - 8 * byte, right = 64 - bits;
	bool is_signed = type->kind == TRACE_SIGNED;

	if (last->code == TRACE_STEP_REGISTER) {
		last->left = (uint8_t)left;
		last->right = (uint8_t)right;
		if (is_signed)
			last->code = TRACE_STEP_REGISTER_SIGNED;
		return 0;
	}
	if (!left && !right)
		return 0;
	return add(fetch, (struct trace_step){.code = is_signed ? TRACE_STEP_NARROW_SIGNED
								: TRACE_STEP_NARROW,
					      .left = (uint8_t)left,
					      .right = (uint8_t)right});
}

static int finish_number(struct fetch *fetch, const struct trace_type *type, const char *at)
{
	static const uint8_t loads[] = {[1] = TRACE_STEP_LOAD_1,
					[2] = TRACE_STEP_LOAD_2,
					[4] = TRACE_STEP_LOAD_4,
					[8] = TRACE_STEP_LOAD_8};
	const struct operand *operand = fetch->operand;
	bool narrows = type->bits || (type->kind == TRACE_SIGNED && type->size < 8);
	unsigned int size = operand->size ? operand->size : 8;
	int error;

	if (operand->is_text)
		return trace_syntax(fetch->scanner, at, "a text is of type string");
	if (!operand->is_memory && type->bits && type->shift + type->bits > 8 * size)
		return trace_syntax(fetch->scanner, at, "the register has %u bits", 8 * size);
	if (!operand->is_memory)
		return narrow(fetch, type, size, operand->byte);
	error = add(fetch,
		    (struct trace_step){.code = loads[type->size], .number = operand->offset});
	return error || !narrows ? error : narrow(fetch, type, type->size, 0);
}

/* Can what the reader has be of this type? */
static int check_readers(const struct fetch *fetch, const struct trace_type *type,
			 struct trace_span span)
{
	bool is_text = fetch->operand->origin == TRACE_OF_COMM;

	if (is_text && (type->kind != TRACE_STRING || type->elements))
		return trace_syntax(fetch->scanner, span.at, "a text is of type string");
	if (!is_text && (trace_type_is_bulk(type) || type->kind == TRACE_FLOAT))
		return trace_syntax(fetch->scanner, span.at, "%.*s is a whole number",
				    (int)span.size, span.at);
	return 0;
}

static int finish(struct fetch *fetch, struct trace_span span, struct trace_arg *ret)
{
	const struct trace_type *type = fetch->type ? fetch->type : &fetch->operand->type;
	struct trace_chain *chain = trace_builder_chain(fetch->builder);
	int error;

	if (fetch->operand->origin != TRACE_OF_PROGRAM)
		error = check_readers(fetch, type, span);
	else if (trace_type_is_bulk(type))
		error = finish_bulk(fetch, type, span);
	else
		error = finish_number(fetch, type, span.at);
	chain->type = *type;
	ret->type = *type;
	ret->origin = fetch->operand->origin;
	ret->is_return_address = fetch->operand->is_return_address;
	return error;
}

int trace_fetch_parse(struct trace_builder *builder, struct trace_span span, bool at_hit,
		      struct trace_arg *ret)
{
	const char *colon = trace_span_find_last_bare(span, ':');
	struct trace_span what = colon ? trace_span_before(span, colon) : span;
	struct operand operand = {.type = x64};
	struct trace_type type = x64;
	struct fetch fetch = {
		.builder = builder,
		.scanner = builder->scanner,
		.type = colon ? &type : NULL,
		.operand = &operand,
		.at_hit = at_hit,
	};
	int error = trace_builder_begin(builder, span.at);

	if (!error && colon)
		error = trace_type_parse(builder->scanner, trace_span_behind(span, colon), &type);
	if (!error)
		error = parse_one(&fetch, what);
	if (!error)
		error = finish(&fetch, what, ret);
	if (error)
		return error;
	trace_builder_end(builder);
	ret->value = (uint8_t)(builder->chain_count - 1);
	ret->needs_return = trace_builder_chain(builder)->needs_return;
	if (operand.origin > TRACE_OF_LATENCY) /* the reader has it */
		builder->chain_count--;
	return 0;
}
