/* SPDX-License-Identifier: MIT */
/*
 * The tree knows ways, the file functions: what each took itself is added up over all ways to it, and so
 * are the calls of each pair of caller and callee.
 */
#include "cli/format/callgrind.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_SIZE 8192u

struct pair {
	uint32_t caller, callee; /* numbers of names */
	uint64_t count, total;
};

struct function {
	uint64_t self;
	bool is_named, is_there; /* in the file by now; in the tree */
};

struct grind {
	const struct tree *tree;
	const struct trace_sink *sink;
	const struct node *path[TREE_DEPTH_MAX + 2];
	struct function *functions; /* by number */
	struct pair *pairs;
	size_t pair_count, pair_room;
	struct names objects;
	int error;
	char name[NAME_MAX_SIZE], line[NAME_MAX_SIZE + 64];
};

/* ---- adding up ------------------------------------------------------------------------------- */

static int add_pair(struct grind *grind, const struct node *caller, const struct node *callee)
{
	if (grind->pair_count == grind->pair_room) {
		size_t room = grind->pair_room ? 2 * grind->pair_room : 1024;
		struct pair *pairs = reallocarray(grind->pairs, room, sizeof(*pairs));

		if (!pairs)
			return -EP_NO_MEMORY;
		grind->pairs = pairs;
		grind->pair_room = room;
	}
	grind->pairs[grind->pair_count++] =
		(struct pair){caller->name, callee->name, callee->count, callee->total};
	return 0;
}

static int add(void *data, const struct node *node, uint32_t depth)
{
	struct grind *grind = data;

	grind->path[depth] = node;
	grind->functions[node->name].self += node->self;
	grind->functions[node->name].is_there = true;
	return depth ? add_pair(grind, grind->path[depth - 1], node) : 0;
}

static int by_names(const void *first, const void *second)
{
	const struct pair *a = first, *b = second;

	if (a->caller != b->caller)
		return a->caller < b->caller ? -1 : 1;
	return a->callee < b->callee ? -1 : a->callee > b->callee;
}

static void add_up_pairs(struct grind *grind)
{
	size_t kept = 0;

	if (grind->pair_count)
		qsort(grind->pairs, grind->pair_count, sizeof(*grind->pairs), by_names);
	for (size_t i = 0; i < grind->pair_count; i++) {
		struct pair *last = kept ? &grind->pairs[kept - 1] : NULL;

		if (last && by_names(last, &grind->pairs[i]) == 0) {
			last->count += grind->pairs[i].count;
			last->total += grind->pairs[i].total;
		} else {
			grind->pairs[kept++] = grind->pairs[i];
		}
	}
	grind->pair_count = kept;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put(struct grind *grind, const char *text, size_t size)
{
	if (!grind->error)
		grind->error = grind->sink->write(grind->sink->data, text, size);
}

__attribute__((format(printf, 2, 3))) static void print(struct grind *grind, const char *format,
							...)
{
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(grind->line, sizeof(grind->line), format, args);
	va_end(args);
	put(grind, grind->line, (size_t)size < sizeof(grind->line) ? (size_t)size : 0);
}

/* "fn=(3) name", the name the first time only; what it has of controls is replaced. */
static void put_name(struct grind *grind, const char *key, uint32_t number, const char *name,
		     size_t length)
{
	char cut[NAME_MAX_SIZE];
	struct trace_text text = {grind->line, NAME_MAX_SIZE, 0};

	print(grind, "%s=(%u)", key, number);
	if (name) {
		snprintf(cut, sizeof(cut), "%.*s", (int)length, name);
		trace_text_char(&text, ' ');
		trace_text_plain_within(&text, cut, NAME_MAX_SIZE - 16);
		put(grind, text.buffer, text.used);
	}
	put(grind, "\n", 1);
}

/* Its object and itself: @prefix is "c" for what is called. */
static void put_function(struct grind *grind, const char *prefix, uint32_t number)
{
	const struct node node = {.name = number};
	const char *name = tree_name(grind->tree, &node, grind->name, sizeof(grind->name));
	const char *colon = strchr(name, ':');
	size_t object_length = colon ? (size_t)(colon - name) : 0;
	bool is_new;
	uint32_t object = names_number(&grind->objects, name, object_length, &is_new);
	char key[8];

	snprintf(key, sizeof(key), "%sob", prefix);
	put_name(grind, key, object, is_new ? (object_length ? name : "???") : NULL,
		 object_length ? object_length : 3);
	snprintf(key, sizeof(key), "%s", *prefix ? "cfi" : "fl");
	put_name(grind, key, 1, grind->objects.count == 1 && is_new ? "???" : NULL, 3);
	snprintf(key, sizeof(key), "%sfn", prefix);
	name = colon ? colon + 1 : name;
	put_name(grind, key, number, grind->functions[number].is_named ? NULL : name, strlen(name));
	grind->functions[number].is_named = true;
}

static void put_functions(struct grind *grind)
{
	const struct pair *pair = grind->pairs, *end = grind->pairs + grind->pair_count;

	for (uint32_t i = 1; i <= grind->tree->names.count; i++) {
		if (!grind->functions[i].is_there)
			continue;
		put(grind, "\n", 1);
		put_function(grind, "", i);
		print(grind, "0 %lu\n", (unsigned long)grind->functions[i].self);
		for (; pair < end && pair->caller == i; pair++) {
			put_function(grind, "c", pair->callee);
			print(grind, "calls=%lu 0\n0 %lu\n", (unsigned long)pair->count,
			      (unsigned long)pair->total);
		}
	}
}

static void put_head(struct grind *grind, char *const *command)
{
	print(grind, "# callgrind format\nversion: 1\ncreator: emuprobe %s\ncmd:", ep_version());
	for (; *command; command++) {
		struct trace_text text = {grind->line, sizeof(grind->line), 0};

		trace_text_char(&text, ' ');
		trace_text_plain_within(&text, *command, NAME_MAX_SIZE);
		put(grind, text.buffer, text.used);
	}
	print(grind, "\npositions: line\nevents: ns\nsummary: %lu\n",
	      (unsigned long)grind->tree->root.total);
}

int callgrind_put(const struct tree *tree, char *const *command, const struct trace_sink *sink)
{
	struct grind *grind = calloc(1, sizeof(*grind));
	int error = -EP_NO_MEMORY;

	if (!grind)
		return error;
	grind->tree = tree;
	grind->sink = sink;
	grind->functions = calloc(tree->names.count + 1ul, sizeof(*grind->functions));
	if (grind->functions)
		error = tree_each(tree, add, grind);
	if (!error) {
		add_up_pairs(grind);
		put_head(grind, command);
		put_functions(grind);
		error = grind->error;
	}
	names_deinit(&grind->objects);
	free(grind->functions);
	free(grind->pairs);
	free(grind);
	return error;
}
