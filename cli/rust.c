/* SPDX-License-Identifier: MIT */
/*
 * A reader for each rule of the grammar (RFC 2603), which writes what it has read. Whatever may have several
 * parts writes something of its own, and parts that say "as before" only look backwards: so what a name can
 * mean is bounded by the room that there is, since nothing is read once that is used up, and by DEPTH_MAX.
 */
#include "cli/rust.h"

#include <stdint.h>
#include <string.h>

#define DEPTH_MAX	 100 /* of paths and types in each other */
#define PUNYCODE_MAX	 128 /* characters of a name that is not ASCII */
#define LIFETIME_LETTERS 26u
#define LIFETIMES_MAX	 128u /* that one "for<...>" names */

struct rust {
	const char *at, *begin, *end; /* what "as before" counts from; behind the last byte */
	char *ret;
	size_t size, used;
	unsigned int depth;
	unsigned int silent; /* what is read is not written */
	uint64_t bound;	     /* lifetimes that "for<...>" has named so far */
	bool is_open;	     /* the "<" of read_open_path() */
	bool failed;
};

struct identifier {
	const char *bytes;
	uint64_t size;
	bool is_punycode;
};

/* ---- reading and writing --------------------------------------------------------------------- */

static bool is_over(const struct rust *rust)
{
	return rust->failed || rust->used + 1 >= rust->size;
}

static char peek(const struct rust *rust)
{
	return rust->at < rust->end && !is_over(rust) ? *rust->at : '\0';
}

static char next(struct rust *rust)
{
	char ret = peek(rust);

	if (ret)
		rust->at++;
	else
		rust->failed |= !is_over(rust);
	return ret;
}

static bool eat(struct rust *rust, char c)
{
	if (peek(rust) != c)
		return false;
	rust->at++;
	return true;
}

static void put_bytes(struct rust *rust, const char *bytes, size_t size)
{
	size_t left = rust->size - 1 - rust->used;

	if (rust->silent || rust->failed)
		return;
	size = size < left ? size : left;
	memcpy(rust->ret + rust->used, bytes, size);
	rust->used += size;
}

static void put(struct rust *rust, const char *text)
{
	put_bytes(rust, text, strlen(text));
}

static void put_number(struct rust *rust, uint64_t number)
{
	char digits[20], *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	put_bytes(rust, at, (size_t)(digits + sizeof(digits) - at));
}

static void put_utf8(struct rust *rust, uint32_t c)
{
	char bytes[4];
	size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = size; i-- > 1; c >>= 6)
		bytes[i] = (char)(0x80 | (c & 0x3f));
	bytes[0] = (char)(c | first[size]);
	put_bytes(rust, bytes, size);
}

/* ---- numbers and names ----------------------------------------------------------------------- */

static bool add_digit(struct rust *rust, uint64_t *number, unsigned int base, unsigned int digit)
{
	if (__builtin_mul_overflow(*number, base, number) ||
	    __builtin_add_overflow(*number, digit, number))
		rust->failed = true;
	return !rust->failed;
}

static uint64_t read_decimal(struct rust *rust)
{
	uint64_t ret = 0;

	if (peek(rust) < '0' || peek(rust) > '9')
		rust->failed = true;
	if (eat(rust, '0'))
		return 0;
	while (peek(rust) >= '0' && peek(rust) <= '9')
		add_digit(rust, &ret, 10, (unsigned int)(next(rust) - '0'));
	return ret;
}

static int digit_62(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'Z' ? c - 'A' + 36 : -1;
}

/* "_" is 0, "0_" is 1. */
static uint64_t read_base_62(struct rust *rust)
{
	uint64_t ret = 0;

	if (eat(rust, '_'))
		return 0;
	while (!rust->failed && !eat(rust, '_')) {
		int digit = digit_62(next(rust));

		if (digit < 0)
			rust->failed = true;
		else
			add_digit(rust, &ret, 62, (unsigned int)digit);
	}
	add_digit(rust, &ret, 1, 1);
	return ret;
}

/* 0: there is no @tag; else one more than the number behind it. */
static uint64_t read_tagged(struct rust *rust, char tag)
{
	return eat(rust, tag) ? read_base_62(rust) + 1 : 0;
}

static struct identifier read_identifier(struct rust *rust)
{
	struct identifier ret = {.is_punycode = eat(rust, 'u')};

	ret.size = read_decimal(rust);
	eat(rust, '_');
	ret.bytes = rust->at;
	if (rust->failed || ret.size > (uint64_t)(rust->end - rust->at)) {
		rust->failed = true;
		ret.size = 0;
	}
	rust->at += ret.size;
	return ret;
}

/* RFC 3492; between the plain characters and the others there is a "_", not a "-". */
struct punycode {
	uint32_t text[PUNYCODE_MAX];
	size_t length;
	uint64_t c, at; /* the next one, and where it is put in */
	uint64_t bias;
};

static uint64_t adapted(uint64_t delta, uint64_t length, bool is_first)
{
	uint64_t k = 0;

	delta /= is_first ? 700 : 2;
	delta += delta / length;
	for (; delta > 35 * 26 / 2; k += 36)
		delta /= 35;
	return k + 36 * delta / (delta + 38);
}

/* How far to go on; false: nonsense. */
static bool read_delta(struct punycode *code, const char **at, const char *end, uint64_t *ret)
{
	uint64_t weight = 1, digit, least, k = 36;

	*ret = 0;
	do {
		int value = *at < end ? digit_62(**at) : -1;

		if (value < 0 || value > 35 || weight > UINT32_MAX)
			return false;
		/* Letters first. */
		digit = (uint64_t)(value >= 10 ? value - 10 : value + 26);
		++*at;
		*ret += digit * weight;
		least = k <= code->bias ? 1 : k >= code->bias + 26 ? 26 : k - code->bias;
		weight *= 36 - least;
		k += 36;
	} while (digit >= least);
	return *ret <= UINT32_MAX;
}

static bool insert(struct punycode *code, uint64_t delta)
{
	uint64_t at = code->at + delta;

	if (code->length == PUNYCODE_MAX)
		return false;
	code->bias = adapted(delta, code->length + 1, code->c == 0x80 && code->at == 0);
	code->c += at / (code->length + 1);
	code->at = at % (code->length + 1);
	if (code->c > 0x10ffff || (code->c >= 0xd800 && code->c < 0xe000))
		return false;
	memmove(code->text + code->at + 1, code->text + code->at,
		(code->length - code->at) * sizeof(code->text[0]));
	code->text[code->at++] = (uint32_t)code->c;
	code->length++;
	return true;
}

static bool read_punycode(const struct identifier *name, struct punycode *ret)
{
	const char *end = name->bytes + name->size, *at = name->bytes;
	const char *line = memrchr(name->bytes, '_', name->size);
	uint64_t delta;

	*ret = (struct punycode){.c = 0x80, .bias = 72};
	for (; line && at < line; at++) {
		if (ret->length == PUNYCODE_MAX)
			return false;
		ret->text[ret->length++] = (uint8_t)*at;
	}
	for (at = line ? line + 1 : at; at < end;)
		if (!read_delta(ret, &at, end, &delta) || !insert(ret, delta))
			return false;
	return true;
}

static void put_identifier(struct rust *rust, const struct identifier *name)
{
	struct punycode code;

	if (!name->is_punycode) {
		put_bytes(rust, name->bytes, name->size);
		return;
	}
	if (rust->failed || !read_punycode(name, &code)) {
		rust->failed = true;
		return;
	}
	for (size_t i = 0; i < code.length; i++)
		put_utf8(rust, code.text[i]);
}

/* ---- lifetimes ------------------------------------------------------------------------------- */

static void put_lifetime(struct rust *rust, uint64_t number)
{
	uint64_t depth = rust->bound - number;
	char letter = (char)('a' + depth % LIFETIME_LETTERS);

	put(rust, "'");
	if (number == 0) {
		put(rust, "_");
	} else if (number > rust->bound) {
		rust->failed = true;
	} else if (depth < LIFETIME_LETTERS) {
		put_bytes(rust, &letter, 1);
	} else {
		put(rust, "_");
		put_number(rust, depth);
	}
}

/* Returns what .bound is to be again behind all that may name them. */
static uint64_t read_binder(struct rust *rust)
{
	uint64_t ret = rust->bound, count = read_tagged(rust, 'G');

	if (!count)
		return ret;
	rust->failed |= count > LIFETIMES_MAX;
	put(rust, "for<");
	for (uint64_t i = 0; i < count && !is_over(rust); i++) {
		rust->bound++;
		put(rust, i ? ", " : "");
		put_lifetime(rust, 1);
	}
	put(rust, "> ");
	return ret;
}

/* ---- what is in each other ------------------------------------------------------------------- */

static void read_path(struct rust *rust, bool is_value);
static void read_type(struct rust *rust);
static void read_const(struct rust *rust);

/* leave() comes behind it in any case. False: too deep, or there is no more to read for. */
static bool enter(struct rust *rust)
{
	rust->failed |= ++rust->depth > DEPTH_MAX;
	return !is_over(rust);
}

static void leave(struct rust *rust)
{
	rust->depth--;
}

/*
 * Behind a "B": read with @read what stands earlier in the name, and go on here. What is not written is not
 * read again.
 */
static void read_before(struct rust *rust, void (*read)(struct rust *rust))
{
	const char *tag = rust->at - 1, *back;
	uint64_t offset = read_base_62(rust);

	if (rust->failed || offset >= (uint64_t)(tag - rust->begin)) {
		rust->failed = true;
		return;
	}
	if (rust->silent)
		return;
	back = rust->at;
	rust->at = rust->begin + offset;
	read(rust);
	rust->at = back;
}

static void read_generic(struct rust *rust)
{
	if (eat(rust, 'L'))
		put_lifetime(rust, read_base_62(rust));
	else if (eat(rust, 'K'))
		read_const(rust);
	else
		read_type(rust);
}

/* Up to an "E". Returns how many. */
static unsigned int read_list(struct rust *rust, const char *separator,
			      void (*read)(struct rust *rust))
{
	unsigned int ret = 0;

	while (!is_over(rust) && !eat(rust, 'E')) {
		put(rust, ret++ ? separator : "");
		read(rust);
	}
	return ret;
}

/* ---- paths ----------------------------------------------------------------------------------- */

static void read_crate(struct rust *rust)
{
	struct identifier name;

	read_tagged(rust, 's');
	name = read_identifier(rust);
	put_identifier(rust, &name);
}

static void put_special(struct rust *rust, char space, uint64_t number,
			const struct identifier *name)
{
	put(rust, "::{");
	if (space == 'C')
		put(rust, "closure");
	else if (space == 'S')
		put(rust, "shim");
	else
		put_bytes(rust, &space, 1);
	if (name->size) {
		put(rust, ":");
		put_identifier(rust, name);
	}
	put(rust, "#");
	put_number(rust, number);
	put(rust, "}");
}

static void read_nested(struct rust *rust, bool is_value)
{
	struct identifier name;
	char space = next(rust);
	uint64_t number;

	if ((space < 'a' || space > 'z') && (space < 'A' || space > 'Z'))
		rust->failed |= !is_over(rust);
	read_path(rust, is_value);
	number = read_tagged(rust, 's');
	name = read_identifier(rust);
	if (space < 'a') {
		put_special(rust, space, number, &name);
	} else if (name.size) {
		put(rust, "::");
		put_identifier(rust, &name);
	}
}

/* "<T>", or "<T as Trait>", of which the block's own path is not told. */
static void read_impl(struct rust *rust, bool has_own_path, bool has_trait)
{
	if (has_own_path) {
		read_tagged(rust, 's');
		rust->silent++;
		read_path(rust, false);
		rust->silent--;
	}
	put(rust, "<");
	read_type(rust);
	if (has_trait) {
		put(rust, " as ");
		read_path(rust, false);
	}
	put(rust, ">");
}

static void read_path_of_type(struct rust *rust)
{
	read_path(rust, false);
}

static void read_path_of_value(struct rust *rust)
{
	read_path(rust, true);
}

static void read_path(struct rust *rust, bool is_value)
{
	if (!enter(rust))
		return leave(rust);
	switch (next(rust)) {
	case 'C':
		read_crate(rust);
		break;
	case 'N':
		read_nested(rust, is_value);
		break;
	case 'M':
		read_impl(rust, true, false);
		break;
	case 'X':
		read_impl(rust, true, true);
		break;
	case 'Y':
		read_impl(rust, false, true);
		break;
	case 'I':
		read_path(rust, is_value);
		put(rust, is_value ? "::<" : "<");
		read_list(rust, ", ", read_generic);
		put(rust, ">");
		break;
	case 'B':
		read_before(rust, is_value ? read_path_of_value : read_path_of_type);
		break;
	default:
		rust->failed |= !is_over(rust);
	}
	leave(rust);
}

/* ---- types ----------------------------------------------------------------------------------- */

static const char *basic_type(char c)
{
	static const char *const names['z' - 'a' + 1] = {
		"i8",	 "bool", "char", "f64", "str",	"f32",	NULL,  "u8", "isize",
		"usize", NULL,	 "i32",	 "u32", "i128", "u128", "_",   NULL, NULL,
		"i16",	 "u16",	 "()",	 "...", NULL,	"i64",	"u64", "!"};

	return c >= 'a' && c <= 'z' ? names[c - 'a'] : NULL;
}

static void read_reference(struct rust *rust, bool is_mutable)
{
	uint64_t lifetime = eat(rust, 'L') ? read_base_62(rust) : 0;

	put(rust, "&");
	if (lifetime) {
		put_lifetime(rust, lifetime);
		put(rust, " ");
	}
	put(rust, is_mutable ? "mut " : "");
	read_type(rust);
}

/* In the name of an ABI there are no "-". */
static void read_abi(struct rust *rust)
{
	struct identifier name = {"C", 1, false};

	if (!eat(rust, 'K'))
		return;
	if (!eat(rust, 'C'))
		name = read_identifier(rust);
	put(rust, "extern \"");
	for (uint64_t i = 0; i < name.size && !name.is_punycode; i++)
		put_bytes(rust, name.bytes[i] == '_' ? "-" : &name.bytes[i], 1);
	put(rust, "\" ");
}

static void read_function(struct rust *rust)
{
	uint64_t bound = read_binder(rust);

	put(rust, eat(rust, 'U') ? "unsafe " : "");
	read_abi(rust);
	put(rust, "fn(");
	read_list(rust, ", ", read_type);
	put(rust, ")");
	if (!eat(rust, 'u')) {
		put(rust, " -> ");
		read_type(rust);
	}
	rust->bound = bound;
}

/* A path whose "<...>" is not closed yet: more may follow. */
static void read_open_path(struct rust *rust)
{
	if (!enter(rust))
		return leave(rust);
	rust->is_open = false;
	if (eat(rust, 'B')) {
		read_before(rust, read_open_path);
	} else if (eat(rust, 'I')) {
		read_path(rust, false);
		put(rust, "<");
		read_list(rust, ", ", read_generic);
		rust->is_open = true;
	} else {
		read_path(rust, false);
	}
	leave(rust);
}

static void read_trait(struct rust *rust)
{
	struct identifier name;
	bool any;

	read_open_path(rust);
	any = rust->is_open;
	while (eat(rust, 'p')) {
		put(rust, any ? ", " : "<");
		any = true;
		name = read_identifier(rust);
		put_identifier(rust, &name);
		put(rust, " = ");
		read_type(rust);
	}
	put(rust, any ? ">" : "");
}

static void read_dyn(struct rust *rust)
{
	uint64_t bound, lifetime;

	put(rust, "dyn ");
	bound = read_binder(rust);
	read_list(rust, " + ", read_trait);
	rust->bound = bound;
	if (!eat(rust, 'L')) {
		rust->failed |= !is_over(rust);
		return;
	}
	lifetime = read_base_62(rust);
	if (lifetime) {
		put(rust, " + ");
		put_lifetime(rust, lifetime);
	}
}

static void read_array(struct rust *rust)
{
	put(rust, "[");
	read_type(rust);
	put(rust, "; ");
	read_const(rust);
	put(rust, "]");
}

static void read_constructed(struct rust *rust, char c)
{
	switch (c) {
	case 'R':
	case 'Q':
		read_reference(rust, c == 'Q');
		break;
	case 'P':
	case 'O':
		put(rust, c == 'P' ? "*const " : "*mut ");
		read_type(rust);
		break;
	case 'A':
		read_array(rust);
		break;
	case 'S':
		put(rust, "[");
		read_type(rust);
		put(rust, "]");
		break;
	case 'T':
		put(rust, "(");
		put(rust, read_list(rust, ", ", read_type) == 1 ? ",)" : ")");
		break;
	case 'F':
		read_function(rust);
		break;
	case 'D':
		read_dyn(rust);
		break;
	case 'B':
		read_before(rust, read_type);
		break;
	default:
		rust->at--;
		read_path(rust, false);
	}
}

static void read_type(struct rust *rust)
{
	const char *basic = basic_type(peek(rust));

	if (!enter(rust))
		return leave(rust);
	if (basic)
		rust->at++;
	if (basic)
		put(rust, basic);
	else if (next(rust))
		read_constructed(rust, rust->at[-1]);
	leave(rust);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Up to a "_"; of more than 64 bits, .size is not 0. */
static uint64_t read_hex(struct rust *rust, struct identifier *ret_digits)
{
	uint64_t ret = 0;

	*ret_digits = (struct identifier){.bytes = rust->at};
	while (!rust->failed && !eat(rust, '_')) {
		int digit = digit_62(next(rust));

		rust->failed |= digit < 0 || digit > 15;
		ret = ret << 4 | (unsigned int)digit;
		ret_digits->size++;
	}
	if (ret_digits->size <= 16)
		ret_digits->size = 0;
	return ret;
}

static void read_integer(struct rust *rust, bool is_signed)
{
	struct identifier digits;
	bool is_negative = is_signed && eat(rust, 'n');
	uint64_t value = read_hex(rust, &digits);

	put(rust, is_negative ? "-" : "");
	if (digits.size) {
		put(rust, "0x");
		put_bytes(rust, digits.bytes, digits.size);
	} else {
		put_number(rust, value);
	}
}

static void read_bool(struct rust *rust)
{
	struct identifier digits;
	uint64_t value = read_hex(rust, &digits);

	rust->failed |= digits.size || value > 1;
	put(rust, value ? "true" : "false");
}

static void read_char(struct rust *rust)
{
	struct identifier digits;
	uint64_t value = read_hex(rust, &digits);

	if (digits.size || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
		rust->failed = true;
		return;
	}
	put(rust, "'");
	if (value < ' ' || value == 0x7f) {
		put(rust, "\\u{");
		put_bytes(rust, digits.bytes, (size_t)(rust->at - 1 - digits.bytes));
		put(rust, "}");
	} else {
		put(rust, value == '\'' || value == '\\' ? "\\" : "");
		put_utf8(rust, (uint32_t)value);
	}
	put(rust, "'");
}

static void read_const(struct rust *rust)
{
	char c = next(rust);

	if (!enter(rust))
		return leave(rust);
	if (c == 'p')
		put(rust, "_");
	else if (c == 'B')
		read_before(rust, read_const);
	else if (c && strchr("htmyoj", c))
		read_integer(rust, false);
	else if (c && strchr("aslxni", c))
		read_integer(rust, true);
	else if (c == 'b')
		read_bool(rust);
	else if (c == 'c')
		read_char(rust);
	else
		rust->failed |= !is_over(rust);
	leave(rust);
}

/* ---------------------------------------------------------------------------------------------- */

bool rust_meaning(const char *name, char *ret, size_t size)
{
	struct rust rust = {.at = name + 2, .begin = name + 2, .ret = ret, .size = size};

	if (size < 2 || strncmp(name, "_R", 2) != 0 || name[2] < 'A' || name[2] > 'Z')
		return false;
	rust.end = name + strcspn(name, ".$"); /* compilers add ".cold" and the like */
	read_path(&rust, true);
	if (peek(&rust) >= 'A' && peek(&rust) <= 'Z') { /* of which crate this copy is */
		rust.silent++;
		read_path(&rust, false);
		rust.silent--;
	}
	if (rust.failed || (!is_over(&rust) && rust.at != rust.end))
		return false;
	if (strncmp(rust.end, ".llvm.", 6) != 0)
		put(&rust, rust.end);
	ret[rust.used] = '\0';
	return true;
}
