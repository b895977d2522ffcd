/* SPDX-License-Identifier: MIT */
/*
 * Without a launcher, events become text in the thread that hit the probe, in a trap: nothing of
 * libc may be called, since any of it may be probed. So: the few conversions that events need.
 */
#include "trace/base/text.h"

#include <stdbool.h>

#define MAX_DIGITS 20 /* of a 64-bit number */
#define MARK	   "…"

EP_TRAP_PATH void trace_text_char(struct trace_text *text, char c)
{
	if (text->used < text->size)
		text->buffer[text->used++] = c;
}

/* With everything in registers: this is what the launcher spends its time on. */
EP_TRAP_PATH void trace_text_string(struct trace_text *text, const char *string)
{
	char *to = text->buffer + text->used, *end = text->buffer + text->size;

	while (*string && to < end)
		*to++ = *string++;
	text->used = (size_t)(to - text->buffer);
}

EP_TRAP_PATH size_t trace_text_length(const char *string)
{
	size_t ret = 0;

	while (string[ret]) {
		ret++;
		__asm__("" : "+r"(ret)); /* or this loop becomes a call of strlen() */
	}
	return ret;
}

EP_TRAP_PATH void trace_text_pad(struct trace_text *text, size_t start, size_t column)
{
	while (text->used < start + column && text->used < text->size)
		trace_text_char(text, ' ');
}

EP_TRAP_PATH void trace_text_unsigned(struct trace_text *text, uint64_t value, unsigned int digits,
				      char fill)
{
	char buffer[MAX_DIGITS + 1], *at = buffer + MAX_DIGITS;

	*at = '\0';
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (at > buffer && (size_t)(buffer + MAX_DIGITS - at) < digits)
		*--at = fill;
	trace_text_string(text, at);
}

EP_TRAP_PATH void trace_text_signed(struct trace_text *text, int64_t value)
{
	if (value < 0)
		trace_text_char(text, '-');
	trace_text_unsigned(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 1, '0');
}

EP_TRAP_PATH static char digit(unsigned int value)
{
	return (char)(value < 10 ? '0' + value : 'a' + value - 10);
}

EP_TRAP_PATH void trace_text_hex(struct trace_text *text, uint64_t value)
{
	unsigned int shift = 60;

	trace_text_string(text, "0x");
	while (shift && !(value >> shift))
		shift -= 4;
	for (;; shift -= 4) {
		trace_text_char(text, digit(value >> shift & 15));
		if (!shift)
			break;
	}
}

/* Bytes of the UTF-8 sequence at @at: 0 if it is none (RFC 3629, "Syntax of UTF-8 Byte Sequences").
 */
EP_TRAP_PATH static unsigned int utf8_size(const unsigned char *at)
{
	unsigned int size = at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

	if (at[0] < 0x80)
		return 1;
	if (!size || at[0] > 0xf4)
		return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	for (unsigned int i = 1; i < size; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

/* What a terminal obeys: C0, DEL, and C1 (ECMA-48, "Elements of the C1 set"), of two bytes here. */
EP_TRAP_PATH static bool is_control(const unsigned char *at, unsigned int size)
{
	if (size == 1)
		return at[0] < ' ' || at[0] == 0x7f;
	return size == 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

EP_TRAP_PATH unsigned int trace_text_shown(const char *at)
{
	unsigned int size = utf8_size((const unsigned char *)at);

	return size && is_control((const unsigned char *)at, size) ? 0 : size;
}

EP_TRAP_PATH static void put_code(struct trace_text *text, unsigned char code)
{
	trace_text_string(text, "\\u00");
	trace_text_char(text, digit(code >> 4));
	trace_text_char(text, digit(code & 15));
}

EP_TRAP_PATH static void json_byte(struct trace_text *text, char c)
{
	unsigned char byte = (unsigned char)c;

	if (byte == '"' || byte == '\\')
		trace_text_char(text, '\\');
	if (byte >= ' ' && byte != 0x7f) {
		trace_text_char(text, c);
		return;
	}
	put_code(text, byte);
}

EP_TRAP_PATH const char *trace_text_json_some(struct trace_text *text, const char *string)
{
	while (*string && text->size - text->used >= TRACE_ESCAPE_MAX) {
		unsigned int size = utf8_size((const unsigned char *)string);

		if (size == 1)
			json_byte(text, *string);
		else if (size == 0)
			trace_text_string(text, "\\ufffd");
		else if (is_control((const unsigned char *)string, size))
			put_code(text, (unsigned char)string[1]);
		else
			for (unsigned int i = 0; i < size; i++)
				trace_text_char(text, string[i]);
		string += size ? size : 1;
	}
	return string;
}

EP_TRAP_PATH void trace_text_json(struct trace_text *text, const char *string)
{
	trace_text_char(text, '"');
	trace_text_json_some(text, string);
	trace_text_char(text, '"');
}

/* A text that ends @max bytes behind the end of @text, or where that ends. */
EP_TRAP_PATH static struct trace_text part_of(const struct trace_text *text, size_t max)
{
	struct trace_text ret = *text;

	if (max < ret.size - ret.used)
		ret.size = ret.used + max;
	return ret;
}

EP_TRAP_PATH void trace_text_json_within(struct trace_text *text, const char *string, size_t max)
{
	struct trace_text part = part_of(text, max);

	part.size -= part.size - part.used > sizeof(MARK) ? sizeof(MARK) : 0;
	trace_text_char(text, '"');
	part.used = text->used;
	string = trace_text_json_some(&part, string);
	text->used = part.used;
	if (*string)
		trace_text_string(text, MARK);
	trace_text_char(text, '"');
}

/* As much as fits, no character in part; the rest. ASCII goes through registers. */
EP_TRAP_PATH static const char *plain_some(struct trace_text *text, const char *string)
{
	char *to = text->buffer + text->used, *end = text->buffer + text->size;

	while (*string && to < end) {
		unsigned int size = *string >= ' ' && *string < 0x7f ? 1 : trace_text_shown(string);

		if (size > (size_t)(end - to))
			break;
		if (size == 0) {
			*to++ = '?';
			size = utf8_size((const unsigned char *)string);
			string += size ? size : 1;
			continue;
		}
		for (; size; size--)
			*to++ = *string++;
	}
	text->used = (size_t)(to - text->buffer);
	return string;
}

EP_TRAP_PATH void trace_text_plain(struct trace_text *text, const char *string)
{
	plain_some(text, string);
}

EP_TRAP_PATH void trace_text_plain_within(struct trace_text *text, const char *string, size_t max)
{
	struct trace_text part = part_of(text, max);
	size_t room = part.size - part.used;

	if (*plain_some(&part, string)) {
		part.used = text->used;
		part.size -= room < sizeof(MARK) ? room : sizeof(MARK) - 1;
		plain_some(&part, string);
		part.size = text->size;
		trace_text_string(&part, MARK);
	}
	text->used = part.used;
}
