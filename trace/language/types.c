/* SPDX-License-Identifier: MIT */
#include "trace/language/types.h"

#include <string.h>

static const struct {
	char name[9];
	struct trace_type type;
} types[] = {
	{"u8", {TRACE_UNSIGNED, .size = 1}},
	{"u16", {TRACE_UNSIGNED, .size = 2}},
	{"u32", {TRACE_UNSIGNED, .size = 4}},
	{"u64", {TRACE_UNSIGNED, .size = 8}},
	{"s8", {TRACE_SIGNED, .size = 1}},
	{"s16", {TRACE_SIGNED, .size = 2}},
	{"s32", {TRACE_SIGNED, .size = 4}},
	{"s64", {TRACE_SIGNED, .size = 8}},
	{"x8", {TRACE_HEX, .size = 1}},
	{"x16", {TRACE_HEX, .size = 2}},
	{"x32", {TRACE_HEX, .size = 4}},
	{"x64", {TRACE_HEX, .size = 8}},
	{"f32", {TRACE_FLOAT, .size = 4}},
	{"f64", {TRACE_FLOAT, .size = 8}},
	{"char", {TRACE_CHAR, .size = 1}},
	{"symbol", {TRACE_SYMBOL, .size = 8}},
	{"symstr", {TRACE_SYMBOL, .size = 8}},
	{"string", {TRACE_STRING, .limit = TRACE_STRING_BYTES}},
	{"ustring", {TRACE_STRING, .limit = TRACE_STRING_BYTES}},
	{"hex", {TRACE_DUMP, .size = 0}},
	/* struct sockaddr_un is the longest that is shown */
	{"sockaddr", {TRACE_SOCKADDR, .limit = 110}},
};

static int reject_type(struct trace_scanner *scanner, const char *at)
{
	return trace_syntax(
		scanner, at,
		"no such type: u8..u64, s8..s64, x8..x64, f32, f64, char, symbol, string, "
		"sockaddr, hex[N], b1@0/8 and arrays of these are known [BAD_TYPE]");
}

static bool has_prefix(struct trace_span span, const char *prefix)
{
	size_t size = strlen(prefix);

	return span.size > size && memcmp(span.at, prefix, size) == 0;
}

/* string1..string4096 */
static int parse_string(struct trace_scanner *scanner, struct trace_span digits,
			struct trace_type *ret)
{
	uint64_t limit;

	if (!trace_span_number(digits, &limit))
		return reject_type(scanner, digits.at - strlen("string"));
	if (!limit || limit > TRACE_BYTES_MAX)
		return trace_syntax(scanner, digits.at, "a string has 1 to %d bytes",
				    TRACE_BYTES_MAX);
	*ret = (struct trace_type){.kind = TRACE_STRING, .limit = (uint16_t)limit};
	return 0;
}

/* bWIDTH@OFFSET/CONTAINER */
static int parse_bitfield(struct trace_scanner *scanner, struct trace_span span,
			  struct trace_type *ret)
{
	const char *at = trace_span_find(span, '@'), *slash = trace_span_find(span, '/');
	uint64_t width, offset, container;

	if (!at || !slash || slash < at)
		return trace_syntax(
			scanner, span.at,
			"a bitfield is bWIDTH@OFFSET/CONTAINER, in bits [BAD_BITFIELD]");
	if (!trace_span_number(trace_span_before(trace_span_behind(span, span.at), at), &width) ||
	    !width || width > 64)
		return trace_syntax(scanner, span.at + 1,
				    "the width is not 1 to 64 bits [BAD_BITFIELD]");
	if (!trace_span_number(trace_span_before(trace_span_behind(span, at), slash), &offset))
		return trace_syntax(scanner, at + 1,
				    "the offset of the bits is not a number [BAD_BITFIELD]");
	if (!trace_span_number(trace_span_behind(span, slash), &container) ||
	    (container != 8 && container != 16 && container != 32 && container != 64))
		return trace_syntax(scanner, slash + 1,
				    "the container has 8, 16, 32 or 64 bits [BAD_BITFIELD]");
	if (offset > container || width > container - offset)
		return trace_syntax(scanner, span.at, "the bits do not lie in the container");
	*ret = (struct trace_type){.kind = TRACE_UNSIGNED,
				   .size = (uint8_t)(container / 8),
				   .bits = (uint8_t)width,
				   .shift = (uint8_t)offset};
	return 0;
}

static int parse_base(struct trace_scanner *scanner, struct trace_span span, struct trace_type *ret)
{
	if (!span.size)
		return trace_syntax(scanner, span.at, "no type behind ':'");
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (trace_span_is(span, types[i].name)) {
			*ret = types[i].type;
			return 0;
		}
	if (has_prefix(span, "string"))
		return parse_string(scanner,
				    (struct trace_span){span.at + strlen("string"),
							span.size - strlen("string")},
				    ret);
	if (span.at[0] == 'b' && trace_span_find(span, '@'))
		return parse_bitfield(scanner, span, ret);
	return reject_type(scanner, span.at);
}

/* [N] */
static int parse_elements(struct trace_scanner *scanner, struct trace_span span,
			  struct trace_type *ret)
{
	uint64_t max = ret->kind == TRACE_DUMP ? TRACE_BYTES_MAX : TRACE_ELEMENTS_MAX, number;
	struct trace_span digits = {span.at + 1, span.size - 2};

	if (span.size < 2 || span.at[span.size - 1] != ']')
		return trace_syntax(scanner, span.at + span.size - 1, "no ']' at the end [%s]",
				    trace_span_find(span, ']') ? "BAD_ARRAY_SUFFIX"
							       : "ARRAY_NO_CLOSE");
	if (!trace_span_number(digits, &number) || !number)
		return trace_syntax(scanner, digits.at, "not a number of elements [BAD_ARRAY_NUM]");
	if (number > max)
		return trace_syntax(scanner, digits.at, "more than %d elements [ARRAY_TOO_BIG]",
				    (int)max);
	if (ret->kind == TRACE_DUMP)
		ret->limit = (uint16_t)number;
	else if (ret->kind == TRACE_SOCKADDR)
		return trace_syntax(scanner, span.at, "there are no arrays of sockaddr");
	else if (ret->kind == TRACE_STRING ||
		 number > 1) /* one number is no array: the kernel's rule */
		ret->elements = (uint16_t)number;
	return 0;
}

int trace_type_parse(struct trace_scanner *scanner, struct trace_span span, struct trace_type *ret)
{
	const char *bracket = trace_span_find(span, '[');
	int error = parse_base(scanner, bracket ? trace_span_before(span, bracket) : span, ret);

	if (!error && bracket)
		error = parse_elements(
			scanner,
			(struct trace_span){bracket, span.size - (size_t)(bracket - span.at)}, ret);
	if (!error && ret->kind == TRACE_DUMP && !ret->limit)
		error = trace_syntax(scanner, span.at + span.size, "how many bytes? hex[N]");
	return error;
}

EP_TRAP_PATH uint64_t trace_type_widen(const struct trace_type *type, uint64_t value)
{
	unsigned int bits = type->bits ? type->bits : type->size * 8u;
	unsigned int left = 64 - bits - type->shift, right = 64 - bits;

	if (!bits)
		return value;
	if (type->kind == TRACE_SIGNED)
		return (uint64_t)((int64_t)(value << left) >> right);
	return value << left >> right;
}

/* In JSON a byte of a text becomes six at most, and a dump's two. */
uint32_t trace_type_text(const struct trace_type *type)
{
	uint32_t count = type->elements ? type->elements : 1,
		 one = 24; /* the longest number has 20 */

	if (type->kind == TRACE_FLOAT)
		one = 32;
	if (type->kind == TRACE_SYMBOL)
		one = type->elements ? 72 : 168;
	if (type->kind == TRACE_STRING || type->kind == TRACE_SOCKADDR)
		one = 6u * type->limit + 16;
	if (type->kind == TRACE_DUMP)
		one = 2u * type->limit + 16;
	return count * one + 8;
}
