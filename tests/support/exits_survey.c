/* SPDX-License-Identifier: MIT */
/*
 * A library to preload, which says of each function of some objects what it has to do with its return
 * address and how it is left, and then ends the program.
 *
 * EXITS_SURVEY_OBJECTS: sonames or basenames, separated by colons; an empty one is the executable.
 * EXITS_SURVEY_LIST: print the functions that use their return address or cannot be served, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/engine/engine.h"
#include "probe/engine/lock.h"
#include "probe/image/exits.h"
#include "probe/image/functions.h"
#include "probe/image/objects.h"

struct sums {
	size_t functions, ways, unknown_tails;
	size_t readings[EXITS_READING_COUNT], refusals[EXITS_REFUSAL_COUNT];
};

/* Of several names, any. */
static const char *name_at(const struct objects_object *object, size_t i)
{
	const struct objects_function *function = &object->functions[i];
	const struct objects_function *end = object->functions + object->function_count;

	for (const struct objects_function *f = function; f < end && f->start == function->start;
	     f++)
		if (f->name)
			return f->name;
	return "?";
}

static unsigned long relative(const struct objects_object *object, uint64_t address)
{
	return address ? address - object->base : 0;
}

static void list(const struct objects_object *object, size_t i, const struct exits *exits)
{
	if (exits->reading || exits->refusal)
		printf("%s %#lx %s: %s (%#lx), %s (%#lx)\n", object->name,
		       object->functions[i].start - object->base, name_at(object, i),
		       exits_reading_text(exits->reading), relative(object, exits->reading_at),
		       exits_refusal_text(exits->refusal), relative(object, exits->refusal_at));
}

static void add(struct sums *sums, const struct exits *exits)
{
	sums->functions++;
	sums->ways += exits->count;
	sums->readings[exits->reading]++;
	sums->refusals[exits->refusal]++;
	sums->unknown_tails += !exits->reading && exits->tail_is_unknown;
}

static void print(const char *name, const struct sums *sums)
{
	printf("%s: %zu functions, %zu ways out, %zu go on in functions that are not known\n", name,
	       sums->functions, sums->ways, sums->unknown_tails);
	for (int i = 0; i < EXITS_READING_COUNT; i++)
		if (sums->readings[i])
			printf("%8zu %s\n", sums->readings[i],
			       exits_reading_text((enum exits_reading)i));
	for (int i = 0; i < EXITS_REFUSAL_COUNT; i++)
		if (sums->refusals[i])
			printf("%8zu %s\n", sums->refusals[i],
			       exits_refusal_text((enum exits_refusal)i));
}

/* Each start once, and no parts: nobody calls them. */
static bool is_counted(const struct objects_object *object, size_t i)
{
	const struct objects_function *function = &object->functions[i];

	return !function->is_part && (i == 0 || function[-1].start != function->start);
}

static void survey(struct objects_object *object)
{
	struct sums sums = {0};
	struct exits exits;

	if (objects_read_functions(object))
		return;
	for (size_t i = 0; i < object->function_count; i++) {
		if (!is_counted(object, i) || exits_find(object->functions[i].start, &exits))
			continue;
		add(&sums, &exits);
		if (getenv("EXITS_SURVEY_LIST"))
			list(object, i, &exits);
	}
	print(object->name, &sums);
}

static bool is_asked_for(const struct objects_object *object, char *names)
{
	for (char *name; (name = strsep(&names, ":"));)
		if (*name ? strcmp(object->name, name) == 0 : object->is_executable)
			return true;
	return false;
}

__attribute__((constructor)) static void survey_all(void)
{
	const char *names = getenv("EXITS_SURVEY_OBJECTS");
	struct objects_object **objects;
	size_t count;

	if (!names)
		return;
	engine_lock();
	if (engine_start() || objects_list(&objects, &count))
		_exit(1);
	for (size_t i = 0; i < count; i++) {
		char *copy = strdup(names);

		if (copy && is_asked_for(objects[i], copy))
			survey(objects[i]);
		free(copy);
	}
	engine_unlock();
	fflush(stdout);
	_exit(0);
}
