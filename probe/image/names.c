/* SPDX-License-Identifier: MIT */
/*
 * Whoever looks for one name is served best by looking at all of them, which takes microseconds for a
 * thousand. Thousands of definitions, each of one name, in an object of a hundred thousand functions
 * took minutes that way. To sort the names pays from about as many look-ups on as a name takes part in
 * comparisons while that is done.
 */
#include "probe/image/names.h"

#include <stdlib.h>
#include <string.h>

#define LOOKUPS_UNSORTED 64

static int by_name(const void *a, const void *b)
{
	const struct objects_function *left = *(const struct objects_function *const *)a;
	const struct objects_function *right = *(const struct objects_function *const *)b;
	int order = strcmp(left->name, right->name);

	return order ? order : left < right ? -1 : 1;
}

/* Without memory for that it stays as it is. */
static void sort(struct objects_object *object)
{
	const struct objects_function **list = calloc(object->function_count + 1, sizeof(*list));

	if (!list)
		return;
	for (size_t i = 0; i < object->function_count; i++)
		if (object->functions[i].name)
			list[object->named_count++] = &object->functions[i];
	qsort(list, object->named_count, sizeof(*list), by_name);
	object->named = list;
}

/* Where @function is of what is sought: before, among, or behind it. */
static int compare(const struct names_walk *walk, const struct objects_function *function)
{
	int order = strncmp(function->name, walk->name, walk->size);

	return order ? order
		     : (unsigned char)function->name[walk->size] - (unsigned char)walk->behind;
}

static size_t first_of(struct names_walk *walk)
{
	size_t low = 0, high = walk->object->named_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		walk->looked++;
		if (compare(walk, walk->object->named[middle]) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void names_begin(struct names_walk *walk, struct objects_object *object, const char *name)
{
	*walk = (struct names_walk){.object = object, .name = name, .size = strlen(name)};
	if (!object->named && object->lookups++ == LOOKUPS_UNSORTED)
		sort(object);
	if (object->named)
		walk->at = first_of(walk);
}

/* First those of the very name, then those with a dot behind it. */
static const struct objects_function *next_sorted(struct names_walk *walk)
{
	const struct objects_object *object = walk->object;

	for (;;) {
		walk->looked++;
		if (walk->at < object->named_count && compare(walk, object->named[walk->at]) == 0)
			return object->named[walk->at++];
		if (walk->behind)
			return NULL;
		walk->behind = '.';
		walk->at = first_of(walk);
	}
}

static bool is_sought(const struct names_walk *walk, const char *name)
{
	return name && strncmp(name, walk->name, walk->size) == 0 &&
	       (!name[walk->size] || name[walk->size] == '.');
}

const struct objects_function *names_next(struct names_walk *walk)
{
	const struct objects_object *object = walk->object;

	if (object->named)
		return next_sorted(walk);
	while (walk->at < object->function_count) {
		const struct objects_function *function = &object->functions[walk->at++];

		walk->looked++;
		if (is_sought(walk, function->name))
			return function;
	}
	return NULL;
}
