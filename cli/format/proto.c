/* SPDX-License-Identifier: MIT */
/*
 * How long a message is stands in front of it, and is known behind it: so four bytes are kept for that,
 * which are enough for 256 MiB. A number may have more bytes than it needs.
 */
#include "cli/format/proto.h"

#include <string.h>

#include "cli/format/utf8.h"

#define LENGTH_BYTES 4

enum wire_type { NUMBER = 0, FIXED_64 = 1, BYTES = 2 };

static void put_varint(struct trace_text *text, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		trace_text_char(text, (char)(value | 0x80));
	trace_text_char(text, (char)value);
}

static void put_key(struct trace_text *text, unsigned int field, enum wire_type type)
{
	put_varint(text, field << 3 | type);
}

void proto_number(struct trace_text *text, unsigned int field, uint64_t value)
{
	put_key(text, field, NUMBER);
	put_varint(text, value);
}

void proto_double(struct trace_text *text, unsigned int field, uint64_t bits)
{
	put_key(text, field, FIXED_64);
	for (int i = 0; i < 8; i++)
		trace_text_char(text, (char)(bits >> 8 * i));
}

void proto_string(struct trace_text *text, unsigned int field, const char *string, size_t max)
{
	size_t opened = proto_open(text, field);

	utf8_put(text, string, max);
	proto_close(text, opened);
}

size_t proto_open(struct trace_text *text, unsigned int field)
{
	put_key(text, field, BYTES);
	for (int i = 0; i < LENGTH_BYTES; i++)
		trace_text_char(text, 0);
	return text->used;
}

void proto_close(struct trace_text *text, size_t opened)
{
	size_t size = text->used - opened;

	for (int i = 0; i < LENGTH_BYTES; i++)
		text->buffer[opened - LENGTH_BYTES + (size_t)i] =
			(char)((size >> 7 * i & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0));
}
