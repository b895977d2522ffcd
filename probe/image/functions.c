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
	if (object->function_count)
		qsort(object->functions, object->function_count, sizeof(object->functions[0]),
		      by_start);
	fill_ends(object);
	object->functions_read = true;
	return 0;
}
