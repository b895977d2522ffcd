/* SPDX-License-Identifier: MIT */
/*
 * Every size and offset in an object file may be a lie, and a check that is written anew for each
 * of them is forgotten for one. So this file alone knows where the bytes end. A failure moves the
 * cursor to the end: loops that ask whether something is left end by themselves.
 */
#include "probe/image/cursor.h"

#include <string.h>

struct cursor cursor_over(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	return (struct cursor){at, size ? at + size : at, false};
}

size_t cursor_left(const struct cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

void cursor_fail(struct cursor *cursor)
{
	cursor->failed = true;
	cursor->at = cursor->end;
}

void cursor_skip(struct cursor *cursor, uint64_t size)
{
	if (size > cursor_left(cursor))
		cursor_fail(cursor);
	else
		cursor->at += size;
}

void cursor_copy(struct cursor *cursor, void *to, size_t size)
{
	const uint8_t *from = cursor->at;

	cursor_skip(cursor, size);
	if (cursor->failed)
		memset(to, 0, size);
	else
		memcpy(to, from, size);
}

uint8_t cursor_u8(struct cursor *cursor)
{
	uint8_t ret;

	cursor_copy(cursor, &ret, sizeof(ret));
	return ret;
}

uint16_t cursor_u16(struct cursor *cursor)
{
	uint16_t ret;

	cursor_copy(cursor, &ret, sizeof(ret));
	return ret;
}

uint32_t cursor_u32(struct cursor *cursor)
{
	uint32_t ret;

	cursor_copy(cursor, &ret, sizeof(ret));
	return ret;
}

uint64_t cursor_u64(struct cursor *cursor)
{
	uint64_t ret;

	cursor_copy(cursor, &ret, sizeof(ret));
	return ret;
}

/* *ret_bits: how many bits it has, the sign's among them. */
static uint64_t read_leb128(struct cursor *cursor, unsigned int *ret_bits)
{
	uint64_t ret = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		uint8_t byte = cursor_u8(cursor);

		ret |= (uint64_t)(byte & 0x7f) << shift;
		*ret_bits = shift + 7;
		if (!(byte & 0x80))
			return cursor->failed ? 0 : ret;
	}
	cursor_fail(cursor);
	return 0;
}

uint64_t cursor_uleb128(struct cursor *cursor)
{
	unsigned int bits;

	return read_leb128(cursor, &bits);
}

int64_t cursor_sleb128(struct cursor *cursor)
{
	unsigned int bits;
	uint64_t ret = read_leb128(cursor, &bits);

	if (bits < 64 && ret >> (bits - 1))
		ret |= -1ul << bits;
	return (int64_t)ret;
}

const char *cursor_string(struct cursor *cursor)
{
	const char *ret = (const char *)cursor->at;
	const uint8_t *end = cursor_left(cursor) ? memchr(ret, '\0', cursor_left(cursor)) : NULL;

	if (!end) {
		cursor_fail(cursor);
		return "";
	}
	cursor->at = end + 1;
	return ret;
}

struct cursor cursor_head(const struct cursor *cursor, uint64_t size)
{
	size_t left = cursor_left(cursor);
	struct cursor ret = cursor_over(cursor->at, size < left ? size : left);

	ret.failed = cursor->failed;
	return ret;
}
