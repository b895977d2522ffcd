/* SPDX-License-Identifier: MIT */
/*
 * Reads numbers and strings out of bytes that may be anything, and never beyond their end. After a
 * failure all that is read is 0, so the caller asks once, at the end, whether there was one.
 */
#ifndef EMUPROBE_PROBE_IMAGE_CURSOR_H
#define EMUPROBE_PROBE_IMAGE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *at, *end;
	bool failed; /* more was asked for than there is, or a number has no end */
};

/** Over @size bytes. Context of all of these: any thread, wait-free. */
struct cursor cursor_over(const void *bytes, size_t size);

/** Little-endian, at any alignment. */
uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);

/** Unsigned LEB128 (DWARF 4, "Variable Length Data"), of at most 64 bits: ten bytes. */
uint64_t cursor_uleb128(struct cursor *cursor);

/** Signed LEB128, likewise. */
int64_t cursor_sleb128(struct cursor *cursor);

/** What is read up to a zero, that included; "" on failure. */
const char *cursor_string(struct cursor *cursor);

/** The next @size bytes; zeroes on failure. */
void cursor_copy(struct cursor *cursor, void *to, size_t size);

void cursor_skip(struct cursor *cursor, uint64_t size);

/**
 * The next @size bytes, or as many as there are, as a cursor of their own; they are not skipped.
 */
struct cursor cursor_head(const struct cursor *cursor, uint64_t size);

/** Fail: what was read is not what it should be. */
void cursor_fail(struct cursor *cursor);

/** How many bytes are left; none after a failure. */
size_t cursor_left(const struct cursor *cursor);

#endif
