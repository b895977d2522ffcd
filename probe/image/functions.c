/* SPDX-License-Identifier: MIT */
/*
 * Functions of an object, from all that it says of itself: unwind information, exported symbols, and
 * the symbol table in its file.
 */
#include "probe/image/functions.h"

#include <stdlib.h>

#include "include/emuprobe.h"

static int by_start(const void *a, const void *b)
{
	const struct objects_function *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	/* Ends that are not known yet come first, then the longest. */
	return left->end < right->end ? 1 : left->end > right->end ? -1 : 0;
}

/* ---- order --------------------------------------------------------------------------------- */

/*
 * Some 6,000 of libc in each process: by digits of 11 bits of the distance from the lowest start,
 * which are two or three; then each is moved to its place, once.
 */
#define DIGIT_BITS 11
#define DIGITS	   (1u << DIGIT_BITS)
#define EQUAL_MAX  64u

struct key {
	uint32_t distance;
	uint32_t index;
};

static void sort_by_digit(const struct key *from, struct key *to, size_t count, unsigned int shift)
{
	uint32_t next[DIGITS] = {0}, sum = 0;

	for (size_t i = 0; i < count; i++)
		next[from[i].distance >> shift & (DIGITS - 1)]++;
	for (size_t i = 0; i < DIGITS; i++) {
		uint32_t of_digit = next[i];

		next[i] = sum;
		sum += of_digit;
	}
	for (size_t i = 0; i < count; i++)
		to[next[from[i].distance >> shift & (DIGITS - 1)]++] = from[i];
}

/* Those of one start are few. False: too many for this, as a file may have them. */
static bool sort_equal(const struct objects_function *functions, struct key *keys, size_t count)
{
	for (size_t i = 1, first = 0; i < count; i++) {
		struct key key = keys[i];
		size_t at = i;

		if (key.distance != keys[first].distance)
			first = i;
		if (i - first > EQUAL_MAX)
			return false;
		for (; at > 0 && keys[at - 1].distance == key.distance &&
		       functions[keys[at - 1].index].end < functions[key.index].end;
		     at--)
			keys[at] = keys[at - 1];
		keys[at] = key;
	}
	return true;
}

/* The one at keys[i].index belongs at i. */
static void put_in_order(struct objects_function *functions, struct key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct objects_function first = functions[i];
		uint32_t at = (uint32_t)i;

		while (keys[at].index != i) {
			uint32_t from = keys[at].index;

			functions[at] = functions[from];
			keys[at].index = at;
			at = from;
		}
		functions[at] = first;
		keys[at].index = at;
	}
}

static uint64_t lowest(const struct objects_function *functions, size_t count, uint64_t *ret_extent)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (size_t i = 0; i < count; i++) {
		low = functions[i].start < low ? functions[i].start : low;
		high = functions[i].start > high ? functions[i].start : high;
	}
	*ret_extent = high - low;
	return low;
}

/* False: a file may say that functions are anywhere, and thousands at one place. */
static bool sort_near(struct objects_function *functions, size_t count, struct key *from,
		      struct key *to)
{
	uint64_t extent, low = lowest(functions, count, &extent);
	bool done;

	if (extent > UINT32_MAX || count > UINT32_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		from[i] = (struct key){(uint32_t)(functions[i].start - low), (uint32_t)i};
	for (unsigned int shift = 0; shift < 32 && extent >> shift; shift += DIGIT_BITS) {
		struct key *sorted = to;

		sort_by_digit(from, sorted, count, shift);
		to = from;
		from = sorted;
	}
	done = sort_equal(functions, from, count);
	if (done)
		put_in_order(functions, from, count);
	return done;
}

static int sort(struct objects_function *functions, size_t count)
{
	struct key *keys = calloc(2 * count + 1, sizeof(keys[0]));

	if (!keys)
		return -EP_NO_MEMORY;
	if (!sort_near(functions, count, keys, keys + count))
		qsort(functions, count, sizeof(functions[0]), by_start);
	free(keys);
	return 0;
}

/* -------------------------------------------------------------------------------------------- */

/* What has no size ends where the next function starts. */
static void fill_ends(struct objects_object *object)
{
	uint64_t next = 0;

	for (size_t i = object->function_count; i-- > 0;) {
		struct objects_function *function = &object->functions[i];
		bool last_of_start = i + 1 == object->function_count ||
				     object->functions[i + 1].start != function->start;

		if (last_of_start && i + 1 < object->function_count)
			next = object->functions[i + 1].start;
		function->guessed_end = function->end <= function->start;
		if (function->guessed_end)
			function->end = next ? next : function->start + 1;
	}
}

int objects_read_functions(struct objects_object *object)
{
	int error;

	if (object->functions_read)
		return 0;
	error = objects_read_fdes(object);
	if (!error)
		error = objects_read_dynsym(object);
	if (!error)
		error = objects_read_file(object);
	if (error) {
		objects_forget_functions(object); /* what is there of them would be there twice */
		return error;
	}
	error = sort(object->functions, object->function_count);
	if (error) {
		objects_forget_functions(object);
		return error;
	}
	fill_ends(object);
	object->functions_read = true;
	return 0;
}
