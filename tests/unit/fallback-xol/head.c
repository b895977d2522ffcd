/* SPDX-License-Identifier: MIT */
/* Claims: heads have the bytes that are asked for, never overlap, and take few mappings. */
#include "fallback-xol/head.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/fallback-xol/prepare.h"

#define HEADS 20000

static uint64_t heads[HEADS];

/* Of four bytes, those whose bit is set in @bytes must be int3. */
static struct xol_pattern pattern_for(unsigned int bytes, uint64_t base)
{
	struct xol_pattern pattern = {.base = base};

	for (unsigned int i = 0; i < 4; i++)
		if (bytes >> i & 1)
			pattern.mask |= (uint32_t)0xff << (8 * i);
	pattern.value = 0xcccccccc & pattern.mask;
	return pattern;
}

static bool fits(struct xol_pattern pattern, uint64_t head)
{
	int64_t rel = (int64_t)(head - pattern.base);

	return rel == (int32_t)rel && ((uint32_t)rel & pattern.mask) == pattern.value;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * As if the functions of a library of 2 MiB were to be probed. Where all four bytes are int3 there
 * is one address only, and another head may be there.
 */
Test(head_alloc, fits_and_never_overlaps)
{
	struct xol_memory_usage usage;
	unsigned int count = 0;

	for (unsigned int i = 0; i < HEADS; i++) {
		uint64_t base = (uint64_t)run + (uint64_t)i * 6547 % (2 << 16) * 16;
		struct xol_pattern pattern = pattern_for(1 + i % 15, base);
		struct xol_code code;

		if (xol_head_alloc(pattern, false, &code))
			continue;
		cr_assert(fits(pattern, code.rx), "%u", i);
		heads[count++] = code.rx;
	}
	cr_assert_gt(count, HEADS - HEADS / 200, "%u", count);
	qsort(heads, count, sizeof(heads[0]), compare);
	for (unsigned int i = 1; i < count; i++)
		cr_assert_geq(heads[i] - heads[i - 1], XOL_HEAD_SIZE);
	xol_code_usage(&usage);
	cr_expect_lt(usage.chunks, 40, "%zu", usage.chunks);
}

/* A page that is touched is a fault, and 4 KiB: as if 2,000 functions in 1.4 MiB were to be probed. */
Test(head_alloc, shares_pages)
{
	static const unsigned int bytes[] = {2, 10, 4, 8,
					     9}; /* what compilers begin functions with */
	unsigned int count = 0, pages = 0;

	for (unsigned int i = 0; i < 2000; i++) {
		struct xol_pattern pattern = pattern_for(bytes[i % 5], (uint64_t)run + i * 720ul);
		struct xol_code code;

		cr_assert_eq(xol_head_alloc(pattern, false, &code), 0);
		heads[count++] = code.rx / 4096;
	}
	qsort(heads, count, sizeof(heads[0]), compare);
	for (unsigned int i = 0; i < count; i++)
		pages += i == 0 || heads[i] != heads[i - 1];
	cr_expect_lt(pages, 550, "%u pages for %u heads", pages, count);
}

Test(head_find, knows_heads_and_nothing_else)
{
	for (unsigned int i = 0; i < HEADS; i++) {
		struct xol_code code;

		cr_assert_eq(xol_head_alloc(pattern_for(1, (uint64_t)run + i), false, &code), 0);
		cr_assert_eq(xol_head_publish(code.rx, (uint64_t)run + i), 0);
		heads[i] = code.rx;
	}
	for (unsigned int i = 0; i < HEADS; i++)
		cr_assert_eq(xol_head_find(heads[i]), (uint64_t)run + i);
	cr_assert_eq(xol_head_find((uint64_t)run), 0);
	cr_assert_eq(xol_head_find(0), 0);
}

Test(head_alloc, refuses_where_the_only_address_is_taken)
{
	struct xol_pattern pattern = pattern_for(15, (uint64_t)run);
	struct xol_code code;

	cr_assert_eq(xol_head_alloc(pattern, false, &code), 0);
	cr_assert_eq(xol_head_alloc(pattern, false, &code), -EP_OUT_OF_REACH);
}

Test(head_alloc, keeps_out_of_the_way_of_the_heap)
{
	struct xol_code code;
	uint64_t heap = (uint64_t)sbrk(0);

	for (unsigned int i = 0; i < 1000; i++) {
		cr_assert_eq(xol_head_alloc(pattern_for(1, heap + i * 16), false, &code), 0);
		cr_assert(code.rx < heap || code.rx > heap + (512 << 20));
	}
}

/* The parent may fill what the child has inherited. */
Test(head_alloc, separates_parent_and_child)
{
	struct xol_pattern pattern = pattern_for(8, (uint64_t)run);
	struct xol_code before, code;
	int status;

	cr_assert_eq(xol_head_alloc(pattern, false, &before), 0);
	pid_t child = fork();

	if (!child)
		_exit(xol_head_alloc(pattern, false, &code) || !fits(pattern, code.rx) ||
		      code.rx >> 12 == before.rx >> 12);
	waitpid(child, &status, 0);
	cr_assert_eq(status, 0);
}
