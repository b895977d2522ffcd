/* SPDX-License-Identifier: MIT */
#include "probe/image/cursor.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(cursor, .timeout = 400);

Test(cursor, reads_little_endian_numbers_in_turn)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct cursor cursor = cursor_over(bytes, sizeof(bytes));

	cr_expect_eq(cursor_u8(&cursor), 1);
	cr_expect_eq(cursor_u16(&cursor), 0x0302);
	cr_expect_eq(cursor_u32(&cursor), 0x07060504);
	cr_expect_eq(cursor_u64(&cursor), 0x0f0e0d0c0b0a0908);
	cr_expect_eq(cursor_left(&cursor), 0);
	cr_expect_not(cursor.failed);
}

/* At each size that is too small. */
Test(cursor, nothing_is_read_beyond_the_end)
{
	for (size_t size = 0; size < sizeof(uint64_t); size++) {
		uint8_t *bytes = memset(malloc(size + 1), 0xff, size + 1);
		struct cursor cursor = cursor_over(bytes, size);

		cr_expect_eq(cursor_u64(&cursor), 0);
		cr_expect(cursor.failed);
		free(bytes);
	}
}

Test(cursor, failure_stays)
{
	static const uint8_t bytes[4] = {1, 1, 1, 1};
	struct cursor cursor = cursor_over(bytes, sizeof(bytes)), head;
	uint32_t copy = 7;

	cr_expect_eq(cursor_u64(&cursor), 0);
	cr_expect_eq(cursor_u8(&cursor), 0);
	cursor_copy(&cursor, &copy, sizeof(copy));
	cr_expect_eq(copy, 0);
	cr_expect_str_eq(cursor_string(&cursor), "");
	cr_expect_eq(cursor_left(&cursor), 0);
	head = cursor_head(&cursor, 4);
	cr_expect(cursor.failed && head.failed);
}

Test(cursor, no_size_is_too_large_to_skip)
{
	static const uint8_t bytes[4];

	for (int shift = 2; shift < 64; shift++) {
		struct cursor cursor = cursor_over(bytes, sizeof(bytes));

		cursor_u8(&cursor);
		cursor_skip(&cursor, -(1ul << shift));
		cr_expect(cursor.failed, "2^64 - 2^%d", shift);
	}
}

Test(cursor, leb128)
{
	static const struct {
		uint8_t bytes[11];
		size_t size;
		uint64_t value;
		bool failed;
	} cases[] = {
		{{0x02}, 1, 2, false},
		{{0x80, 0x01}, 2, 128, false},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		 10,
		 UINT64_MAX,
		 false},
		{{0x80}, 1, 0, true},
		{{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, 11, 0, true},
		{{0}, 0, 0, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cursor cursor = cursor_over(cases[i].bytes, cases[i].size);

		cr_expect_eq(cursor_uleb128(&cursor), cases[i].value, "case %zu", i);
		cr_expect_eq(cursor.failed, cases[i].failed, "case %zu", i);
	}
}

Test(cursor, a_string_ends_with_a_zero_inside)
{
	static const char bytes[] = {'a', 'b', '\0', 'c', 'd'};
	struct cursor cursor = cursor_over(bytes, sizeof(bytes));

	cr_expect_str_eq(cursor_string(&cursor), "ab");
	cr_expect_not(cursor.failed);
	cr_expect_str_eq(cursor_string(&cursor), "");
	cr_expect(cursor.failed);
}

Test(cursor, a_head_is_no_longer_than_what_is_there)
{
	static const uint8_t bytes[4] = {1, 2, 3, 4};
	struct cursor cursor = cursor_over(bytes, sizeof(bytes));
	struct cursor two = cursor_head(&cursor, 2), all = cursor_head(&cursor, UINT64_MAX);

	cr_expect_eq(cursor_left(&two), 2);
	cr_expect_eq(cursor_left(&all), 4);
	cr_expect_eq(cursor_u8(&two), 1);
	cr_expect_eq(cursor_left(&cursor), 4);
}

Test(cursor, signed_leb128_takes_its_sign_from_the_last_byte)
{
	static const struct {
		uint8_t bytes[10];
		int64_t value;
	} numbers[] = {
		{{2}, 2},
		{{0x7e}, -2},
		{{0x78}, -8},
		{{0xff, 0}, 127},
		{{0x81, 0x7f}, -127},
		{{0x80, 1}, 128},
		{{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, INT64_MIN},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		struct cursor cursor = cursor_over(numbers[i].bytes, sizeof(numbers[i].bytes));

		cr_expect_eq(cursor_sleb128(&cursor), numbers[i].value, "number %zu", i);
		cr_expect_not(cursor.failed);
	}
}
