/* SPDX-License-Identifier: MIT */
/*
 * Definitions come from files, from command lines and from the kernel's tools: newlines or ';'
 * between them, blanks or ',' between their words, '#' comments. A word may have parts in double
 * quotes, in which none of these means anything. Spans point into the text, so that every complaint
 * can point there, too.
 */
#include "trace/language/scanner.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == ',';
}

static bool ends_definition(char c)
{
	return c == '\0' || c == '\n' || c == ';';
}

static void skip_comment(struct trace_scanner *scanner)
{
	while (*scanner->at && *scanner->at != '\n')
		scanner->at++;
}

static void skip_blanks(struct trace_scanner *scanner)
{
	while (is_blank(*scanner->at))
		scanner->at++;
}

/* From an opening quote to behind the closing one; to @end, or the text's, where there is none. */
static const char *behind_quote(const char *at, const char *end, bool *ret_is_closed)
{
	for (at++; at != end && *at && *at != '"'; at++)
		if (*at == '\\' && at + 1 != end && at[1])
			at++;
	*ret_is_closed = at != end && *at;
	return *ret_is_closed ? at + 1 : at;
}

bool trace_scan_definition(struct trace_scanner *scanner)
{
	for (;; scanner->at++) {
		skip_blanks(scanner);
		if (*scanner->at == '#')
			skip_comment(scanner);
		if (*scanner->at == '\0')
			return false;
		if (!ends_definition(*scanner->at))
			return true;
	}
}

bool trace_scan_word(struct trace_scanner *scanner, struct trace_span *ret)
{
	const char *start;
	bool is_closed;

	skip_blanks(scanner);
	if (*scanner->at == '#')
		skip_comment(scanner);
	if (ends_definition(*scanner->at))
		return false;
	start = scanner->at;
	while (!is_blank(*scanner->at) && !ends_definition(*scanner->at)) {
		if (*scanner->at == '"')
			scanner->at = behind_quote(scanner->at, NULL, &is_closed);
		else
			scanner->at++;
	}
	*ret = (struct trace_span){start, (size_t)(scanner->at - start)};
	return true;
}

struct trace_span trace_scan_rest(const struct trace_scanner *scanner)
{
	struct trace_scanner ahead = *scanner;
	struct trace_span word, ret = {scanner->at, 0};

	while (trace_scan_word(&ahead, &word))
		ret.size = (size_t)(word.at + word.size - ret.at);
	return ret;
}

struct trace_span trace_span_behind(struct trace_span span, const char *separator)
{
	size_t skipped = (size_t)(separator + 1 - span.at);

	return (struct trace_span){separator + 1, span.size - skipped};
}

struct trace_span trace_span_before(struct trace_span span, const char *separator)
{
	return (struct trace_span){span.at, (size_t)(separator - span.at)};
}

const char *trace_span_find(struct trace_span span, char wanted)
{
	return span.size ? memchr(span.at, wanted, span.size) : NULL;
}

const char *trace_span_find_last(struct trace_span span, char wanted)
{
	return span.size ? memrchr(span.at, wanted, span.size) : NULL;
}

const char *trace_span_find_last_bare(struct trace_span span, char wanted)
{
	const char *ret = NULL, *at = span.at, *end = span.at + span.size;
	bool is_closed;

	while (at != end) {
		if (*at == wanted)
			ret = at;
		at = *at == '"' ? behind_quote(at, end, &is_closed) : at + 1;
	}
	return ret;
}

const char *trace_span_find_bare(struct trace_span span, char wanted)
{
	const char *at = span.at, *end = span.at + span.size;
	bool is_closed;

	while (at != end && *at != wanted)
		at = *at == '"' ? behind_quote(at, end, &is_closed) : at + 1;
	return at != end ? at : NULL;
}

const char *trace_span_open_quote(struct trace_span span)
{
	const char *at = span.at, *end = span.at + span.size;
	bool is_closed = true;

	while (at != end) {
		const char *start = at;

		at = *at == '"' ? behind_quote(at, end, &is_closed) : at + 1;
		if (!is_closed)
			return start;
	}
	return NULL;
}

struct trace_span trace_span_quoted(struct trace_span span)
{
	bool is_closed;
	const char *behind = behind_quote(span.at, span.at + span.size, &is_closed);

	return (struct trace_span){span.at + 1, (size_t)(behind - span.at) - 2};
}

bool trace_span_is(struct trace_span span, const char *text)
{
	return strlen(text) == span.size && memcmp(text, span.at, span.size) == 0;
}

static unsigned int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	return 16;
}

bool trace_span_number(struct trace_span span, uint64_t *ret)
{
	unsigned int base = 10;
	uint64_t value = 0;
	size_t i = 0;

	if (span.size > 1 && span.at[0] == '0') {
		bool hexadecimal = span.at[1] == 'x' || span.at[1] == 'X';

		base = hexadecimal ? 16 : 8;
		i = hexadecimal ? 2 : 1;
	}
	if (i == span.size)
		return false;
	for (; i < span.size; i++) {
		unsigned int digit = digit_of(span.at[i]);

		if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*ret = value;
	return true;
}

int trace_syntax(struct trace_scanner *scanner, const char *at, const char *format, ...)
{
	struct ep_error_at *error = scanner->error;
	va_list args;

	if (!error)
		return -EP_SYNTAX;
	error->error = EP_SYNTAX;
	error->column = (size_t)(at - scanner->text);
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	return -EP_SYNTAX;
}

bool trace_is_glob(const char *text)
{
	return text && text[strcspn(text, "*?[")] != '\0';
}

bool trace_is_name_byte(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

bool trace_is_name(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!trace_is_name_byte(text[i], i == 0))
			return false;
	return size > 0;
}
