/* SPDX-License-Identifier: MIT */
/* A hash table with open addresses; a text's size stands in front of it. */
#include "cli/format/names.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX (512ul << 20) /* names are the program's: it may have any */

static uint32_t hash_of(const char *text, size_t size)
{
	uint64_t ret = 0xcbf29ce484222325u;

	for (size_t i = 0; i < size; i++)
		ret = (ret ^ (unsigned char)text[i]) * 0x100000001b3u;
	return (uint32_t)(ret ^ ret >> 32);
}

static size_t size_of(const char *text)
{
	size_t ret;

	memcpy(&ret, text - sizeof(ret), sizeof(ret));
	return ret;
}

static uint32_t *slot_of(struct names *names, const char *text, size_t size)
{
	uint32_t at = hash_of(text, size);

	for (;; at++) {
		uint32_t *slot = &names->slots[at & (names->slot_count - 1)];
		const char *other = *slot ? names->texts[*slot - 1] : NULL;

		if (!other || (size_of(other) == size && memcmp(other, text, size) == 0))
			return slot;
	}
}

static bool grow(struct names *names)
{
	uint32_t room = names->room ? 2 * names->room : 256;
	const char **texts = reallocarray(names->texts, room, sizeof(*texts));
	uint32_t *slots = texts ? calloc(2ul * room, sizeof(*slots)) : NULL;

	if (texts)
		names->texts = texts;
	if (!slots)
		return false;
	free(names->slots);
	names->slots = slots;
	names->slot_count = 2 * room;
	names->room = room;
	for (uint32_t i = 0; i < names->count; i++)
		*slot_of(names, texts[i], size_of(texts[i])) = i + 1;
	return true;
}

static const char *keep(struct names *names, const char *text, size_t size)
{
	char *ret;

	names->arena.limit = MEMORY_MAX;
	ret = trace_arena_alloc(&names->arena, sizeof(size) + size + 1);
	if (!ret)
		return NULL;
	memcpy(ret, &size, sizeof(size));
	memcpy(ret + sizeof(size), text, size);
	return ret + sizeof(size);
}

uint32_t names_number(struct names *names, const char *text, size_t size, bool *ret_is_new)
{
	uint32_t *slot, number;
	const char *kept;

	if (ret_is_new)
		*ret_is_new = false;
	if (names->count == names->room && !grow(names))
		return 0;
	slot = slot_of(names, text, size);
	number = *slot;
	if (number)
		return number;
	kept = keep(names, text, size);
	if (!kept)
		return 0;
	names->texts[names->count++] = kept;
	*slot = names->count;
	if (ret_is_new)
		*ret_is_new = true;
	return names->count;
}

uint32_t names_number_of(struct names *names, const char *text, bool *ret_is_new)
{
	uintptr_t at = (uintptr_t)text >> 3;
	uint32_t slot = (uint32_t)(at ^ at >> 10) & (NAMES_CACHE - 1);

	if (names->cache[slot].text == text) {
		if (ret_is_new)
			*ret_is_new = false;
		return names->cache[slot].number;
	}
	names->cache[slot].number = names_number(names, text, strlen(text), ret_is_new);
	names->cache[slot].text = names->cache[slot].number ? text : NULL;
	return names->cache[slot].number;
}

void names_deinit(struct names *names)
{
	free(names->texts);
	free(names->slots);
	trace_arena_deinit(&names->arena);
	*names = (struct names){0};
}
