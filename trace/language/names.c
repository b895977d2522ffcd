/* SPDX-License-Identifier: MIT */
/*
 * The kernel calls an unnamed probe p_BASENAME_0xOFFSET; so do we, and p_BASENAME_SYMBOL where a
 * symbol was given; r_ where it is of calls. A pattern's matches are called by their symbols. Names
 * must differ, and a pattern may match thousands: a hash table of those in use.
 */
#include "trace/language/names.h"
#include "trace/language/scanner.h"

#include <stdio.h>
#include <string.h>

#define NUMBER_SIZE 32 /* of what is put behind a name: "_0x1234", "_17", "(0x1234)" */

struct trace_name {
	const char *text;
	unsigned int next; /* number to try for one more of this name */
};

/* ---- names in use -------------------------------------------------------------------------- */

/* FNV-1a */
static uint64_t hash(const char *text)
{
	uint64_t ret = 0xcbf29ce484222325;

	while (*text)
		ret = (ret ^ (unsigned char)*text++) * 0x100000001b3;
	return ret;
}

/* The name's entry; *ret_is_new: it was made for it. */
static struct trace_name *insert(struct trace_names *names, const char *name, bool *ret_is_new)
{
	size_t at = hash(name) & (names->size - 1);

	for (; names->table[at].text; at = (at + 1) & (names->size - 1))
		if (strcmp(names->table[at].text, name) == 0)
			break;
	*ret_is_new = !names->table[at].text;
	if (*ret_is_new) {
		names->table[at] = (struct trace_name){name, 1};
		names->used++;
	}
	return &names->table[at];
}

static int grow(struct trace_names *names)
{
	struct trace_names larger = {.arena = names->arena, .size = names->size * 2};
	bool is_new;

	if (names->size && names->used < names->size / 2)
		return 0;
	if (!larger.size)
		larger.size = 256;
	larger.table = trace_arena_alloc(names->arena, larger.size * sizeof(*larger.table));
	if (!larger.table)
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < names->size; i++)
		if (names->table[i].text)
			insert(&larger, names->table[i].text, &is_new)->next = names->table[i].next;
	*names = larger;
	return 0;
}

static const char *full_name(struct trace_names *names, const char *group, const char *event)
{
	size_t size = strlen(group) + 1 + strlen(event) + 1;
	char *ret = trace_arena_alloc(names->arena, size);

	if (ret)
		snprintf(ret, size, "%s/%s", group, event);
	return ret;
}

/* NULL: there is no memory. */
static struct trace_name *reserve(struct trace_names *names, const char *group, const char *event,
				  bool *ret_is_new)
{
	const char *name = full_name(names, group, event);

	if (!name || grow(names))
		return NULL;
	return insert(names, name, ret_is_new);
}

static bool is_pattern(const struct trace_definition *definition)
{
	const struct ep_place *place = &definition->place;

	return (!(place->is_literal & EP_LITERAL_SYMBOL) && trace_is_glob(place->symbol)) ||
	       (!(place->is_literal & EP_LITERAL_OBJECT) && trace_is_glob(place->object));
}

int trace_names_init(struct trace_names *names, const struct trace_definitions *definitions,
		     struct trace_arena *arena)
{
	*names = (struct trace_names){.arena = arena};
	for (size_t i = 0; i < definitions->count; i++) {
		const struct trace_definition *definition = &definitions->list[i];
		bool is_new;

		if (!definition->event || is_pattern(definition))
			continue;
		if (!reserve(names, definition->group, definition->event, &is_new))
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

static void replace_others(char *name)
{
	for (size_t i = 0; name[i]; i++)
		if (!trace_is_name(&name[i], 1) && !(i && name[i] >= '0' && name[i] <= '9'))
			name[i] = '_';
}

/* With room for a number behind it, whatever its length. */
static char *wanted_name(struct trace_arena *arena, const struct trace_definition *definition,
			 const struct ep_match *match)
{
	const char *event = definition->event, *symbol = match->symbol ? match->symbol : "";
	size_t size = strlen(symbol) + strlen(match->object) + TRACE_NAME_MAX + 2 * NUMBER_SIZE;
	char *ret = trace_arena_alloc(arena, size), offset[NUMBER_SIZE] = "";

	if (!ret)
		return NULL;
	if (match->offset || !*symbol)
		snprintf(offset, sizeof(offset), "%s0x%lx", *symbol ? "_" : "",
			 (unsigned long)match->offset);
	if (event && !is_pattern(definition))
		snprintf(ret, size, "%s", event);
	else if (event)
		snprintf(ret, size, "%s_%s%s", event, symbol, offset);
	else if (is_pattern(definition))
		snprintf(ret, size, "%s%s", symbol, offset);
	else
		snprintf(ret, size, "%c_%.*s_%s%s", definition->is_return ? 'r' : 'p',
			 stem_size(match->object), match->object, symbol, offset);
	replace_others(ret);
	return ret;
}

/* Thousands may want the same: the entry of the bare name knows what was tried. */
static const char *make_unique(struct trace_names *names, const char *group, char *event)
{
	size_t size = strlen(event);
	bool is_new, is_next;
	struct trace_name *entry = reserve(names, group, event, &is_new);
	unsigned int next = entry ? entry->next : 0;

	for (is_next = is_new; entry && !is_next;) {
		snprintf(event + size, NUMBER_SIZE, "_%u", next++);
		entry = reserve(names, group, event, &is_next);
	}
	if (!entry || is_new)
		return entry ? event : NULL;
	/* It may have moved meanwhile. */
	event[size] = '\0';
	entry = reserve(names, group, event, &is_new);
	event[size] = '_';
	if (entry)
		entry->next = next;
	return entry ? event : NULL;
}

const char *trace_names_make(struct trace_names *names, const struct trace_definition *definition,
			     const struct ep_match *match, size_t nth)
{
	char *event;

	if (definition->event && !is_pattern(definition) && nth == 0)
		return definition->event;
	event = wanted_name(names->arena, definition, match);
	return event ? make_unique(names, definition->group, event) : NULL;
}

const char *trace_names_place(struct trace_arena *arena, const struct ep_match *match)
{
	const char *symbol = match->symbol ? match->symbol : "";
	const char *version = match->version ? match->version : "";
	size_t size = strlen(match->object) + strlen(symbol) + strlen(version) + 2 * NUMBER_SIZE;
	char *ret = trace_arena_alloc(arena, size), offset[NUMBER_SIZE] = "",
	     which[NUMBER_SIZE] = "";

	if (!ret)
		return NULL;
	if (match->offset || !*symbol)
		snprintf(offset, sizeof(offset), "%s0x%lx", *symbol ? "+" : "",
			 (unsigned long)match->offset);
	if (match->namesakes > 1)
		snprintf(which, sizeof(which), " (0x%lx)", (unsigned long)match->file_offset);
	snprintf(ret, size, "%s:%s%s%s%s%s", match->object, symbol, *version ? "@" : "", version,
		 offset, which);
	return ret;
}

int trace_names_note(struct trace_arena *arena, const struct ep_match *match, const char **ret)
{
	static const char variant[] = "%s%s is a variant of it, with hits of its own";
	const char *relative = match->relative ? match->relative : "";
	size_t size = sizeof(variant) + strlen(relative) + 2 * NUMBER_SIZE, used = 0;
	char *text;

	*ret = NULL;
	if (match->namesakes < 2 && !*relative)
		return 0;
	text = trace_arena_alloc(arena, size);
	if (!text)
		return -EP_NO_MEMORY;
	if (match->namesakes > 1)
		used = (size_t)snprintf(text, size, "%zu functions of that name", match->namesakes);
	if (*relative)
		snprintf(text + used, size - used, variant, used ? "; " : "", relative);
	*ret = text;
	return 0;
}
