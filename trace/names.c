// SPDX-License-Identifier: MIT
/*
 * The kernel calls an unnamed probe p_BASENAME_0xOFFSET; so do we, and p_BASENAME_SYMBOL where a
 * symbol was given. A pattern's matches are called by their symbols. Names must differ, and a
 * pattern may match thousands: a hash table of those in use.
 */
#include "trace/names.h"

#include <stdio.h>
#include <string.h>

#define NAME_SIZE 192

/* ---- names in use -------------------------------------------------------------------------- */

/* FNV-1a */
static uint64_t hash(const char *text)
{
	uint64_t ret = 0xcbf29ce484222325;

	while (*text)
		ret = (ret ^ (unsigned char)*text++) * 0x100000001b3;
	return ret;
}

static bool insert(struct trace_names *names, const char *name)
{
	size_t at = hash(name) & (names->size - 1);

	for (; names->table[at]; at = (at + 1) & (names->size - 1))
		if (strcmp(names->table[at], name) == 0)
			return false;
	names->table[at] = name;
	names->used++;
	return true;
}

static int grow(struct trace_names *names)
{
	struct trace_names larger = {.arena = names->arena, .size = names->size * 2};

	if (names->size && names->used < names->size / 2)
		return 0;
	if (!larger.size)
		larger.size = 256;
	larger.table = trace_arena_alloc(names->arena, larger.size * sizeof(*larger.table));
	if (!larger.table)
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < names->size; i++)
		if (names->table[i])
			insert(&larger, names->table[i]);
	*names = larger;
	return 0;
}

static const char *full_name(struct trace_names *names, const char *group, const char *event)
{
	char name[NAME_SIZE + TRACE_NAME_MAX + 32];
	int size = snprintf(name, sizeof(name), "%s/%s", group, event);

	return trace_arena_copy(names->arena, name, (size_t)size);
}

/* 1: it is new, 0: it is in use. */
static int reserve(struct trace_names *names, const char *group, const char *event)
{
	const char *name = full_name(names, group, event);

	if (!name || grow(names))
		return -EP_NO_MEMORY;
	return insert(names, name);
}

static bool is_pattern(const struct trace_definition *definition)
{
	return trace_is_glob(definition->place.symbol) || trace_is_glob(definition->place.object);
}

int trace_names_init(struct trace_names *names, const struct trace_definitions *definitions,
		     struct trace_arena *arena)
{
	*names = (struct trace_names){.arena = arena};
	for (size_t i = 0; i < definitions->count; i++) {
		const struct trace_definition *definition = &definitions->list[i];

		if (!definition->event || is_pattern(definition))
			continue;
		if (reserve(names, definition->group, definition->event) < 0)
			return -EP_NO_MEMORY;
	}
	return 0;
}

/* ---- making one ---------------------------------------------------------------------------- */

/* As the kernel does it: "libc" of "libc-2.36.so". */
static int stem_size(const char *object)
{
	return (int)strcspn(object, ".-_");
}

static void wanted_name(const struct trace_definition *definition, const struct ep_match *match,
			char *ret, size_t size)
{
	const char *event = definition->event, *symbol = match->symbol;
	char offset[32] = "";

	if (match->offset || !symbol)
		snprintf(offset, sizeof(offset), "%s0x%lx", symbol ? "_" : "",
			 (unsigned long)match->offset);
	if (!symbol)
		symbol = "";
	if (event)
		snprintf(ret, size, "%s_%.150s%s", event, symbol, offset);
	else if (is_pattern(definition))
		snprintf(ret, size, "%.150s%s", symbol, offset);
	else
		snprintf(ret, size, "p_%.*s_%.150s%s", stem_size(match->object), match->object,
			 symbol, offset);
	for (size_t i = 0; ret[i]; i++)
		if (!trace_is_name(&ret[i], 1) && !(i && ret[i] >= '0' && ret[i] <= '9'))
			ret[i] = '_';
}

static const char *make_unique(struct trace_names *names, const char *group, char *event)
{
	size_t size = strlen(event);
	int is_new = reserve(names, group, event);

	for (unsigned int i = 1; is_new == 0; i++) {
		snprintf(event + size, NAME_SIZE - size, "_%u", i);
		is_new = reserve(names, group, event);
	}
	return is_new < 0 ? NULL : trace_arena_copy(names->arena, event, strlen(event));
}

const char *trace_names_make(struct trace_names *names, const struct trace_definition *definition,
			     const struct ep_match *match, size_t nth)
{
	char event[NAME_SIZE];

	if (definition->event && !is_pattern(definition)) {
		if (nth == 0)
			return definition->event;
		snprintf(event, sizeof(event), "%s", definition->event);
	} else {
		wanted_name(definition, match, event, sizeof(event) - 16);
	}
	return make_unique(names, definition->group, event);
}

const char *trace_names_place(struct trace_arena *arena, const struct ep_match *match)
{
	char text[512], offset[32] = "";
	int size;

	if (match->offset || !match->symbol)
		snprintf(offset, sizeof(offset), "%s0x%lx", match->symbol ? "+" : "",
			 (unsigned long)match->offset);
	size = snprintf(text, sizeof(text), "%.200s:%.250s%s", match->object,
			match->symbol ? match->symbol : "", offset);
	return trace_arena_copy(arena, text, (size_t)size);
}
