/* SPDX-License-Identifier: MIT */
/*
 * Unwind information is read where it lies, in the objects (live.c). What is ours is a list of where
 * there is code, and which table of FDEs belongs to it. All else may change while it is read, since
 * objects are unloaded whenever the program likes, and may be a lie.
 *
 * The list is replaced as a whole. There are two, of which one is in force and the other is filled
 * next: nobody waits for readers, who look afterwards whether theirs was filled anew meanwhile.
 *
 *	version         5        6        7
 *	list 1       in force |        | filled: who still reads 5 starts again
 *	list 0                | in force
 */
#include "probe/image/callers.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "probe/image/objects.h"
#include "probe/image/objects_fde.h"

#define TRIES 3 /* two lists are filled while one is searched: once is rare */

struct list {
	struct list *old; /* smaller ones: readers may be in them */
	size_t room;
	_Atomic size_t count; /* never more than there is room for, so that any value will do */
	struct live_code codes[];
};

static struct list *_Atomic lists[2];
static _Atomic uint64_t in_force, filled; /* versions */
static bool started;

/* ---- searching ----------------------------------------------------------------------------- */

EP_TRAP_PATH static const struct live_code *find_code(const struct list *list, uint64_t address)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->codes[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < list->codes[low - 1].end ? &list->codes[low - 1] : NULL;
}

EP_TRAP_PATH uint64_t callers_version(void)
{
	return in_force;
}

EP_TRAP_PATH bool callers_find(uint64_t version, uint64_t address, struct live_fde *ret)
{
	const struct list *list = lists[version & 1];
	const struct live_code *code = list ? find_code(list, address) : NULL;

	return code && live_find(code, address, ret);
}

EP_TRAP_PATH bool callers_were_right(uint64_t version)
{
	atomic_thread_fence(memory_order_acquire);
	return filled < version + 2;
}

EP_TRAP_PATH bool callers_can_be_unwound(uint64_t address)
{
	for (int i = 0; i < TRIES; i++) {
		uint64_t version = callers_version();
		struct live_fde fde;
		bool ret = callers_find(version, address - 1, &fde) && !fde.is_vdso;

		if (callers_were_right(version))
			return ret;
	}
	return false;
}

/* ---- filling ------------------------------------------------------------------------------- */

static struct list *list_with_room(struct list *old, size_t room)
{
	struct list *ret = old;

	if (old && old->room >= room)
		return old;
	room *= 2; /* at least doubled each time: all old ones together are less than the newest */
	ret = calloc(1, sizeof(*ret) + room * sizeof(ret->codes[0]));
	if (!ret)
		return NULL;
	ret->old = old;
	ret->room = room;
	return ret;
}

static bool is_code(const ElfW(Phdr) * phdr)
{
	return phdr->p_type == PT_LOAD && (phdr->p_flags & PF_X);
}

/* Behind all that start below it. */
static void insert(struct list *list, const struct objects_object *object, const ElfW(Phdr) * phdr,
		   const struct objects_header *header)
{
	uint64_t start = object->base + phdr->p_vaddr;
	size_t at = list->count++;

	for (; at > 0 && list->codes[at - 1].start > start; at--)
		list->codes[at] = list->codes[at - 1];
	list->codes[at].start = start;
	list->codes[at].end = start + phdr->p_filesz;
	list->codes[at].header = header->address;
	list->codes[at].table = header->address + OBJECTS_HEADER_SIZE;
	list->codes[at].count = header->count;
	list->codes[at].is_vdso = object->is_vdso;
	list->codes[at].object_start = object->start;
	list->codes[at].object_end = object->end;
}

/* Its table lies in it as a whole, or else not at all. */
static bool has_table(const struct objects_object *object, const struct objects_header *header)
{
	uint64_t table = header->address + OBJECTS_HEADER_SIZE;

	return header->count && table >= object->start && table <= object->end &&
	       header->count <= (object->end - table) / 8;
}

static int add(struct list *list, const struct objects_object *object)
{
	struct objects_header header;
	int error = objects_read_header(object, &header);

	if (error || !has_table(object, &header))
		return error;
	for (size_t i = 0; i < object->phdr_count && list->count < list->room; i++)
		if (is_code(&object->phdrs[i]))
			insert(list, object, &object->phdrs[i], &header);
	return 0;
}

static size_t count_code(struct objects_object *const *objects, size_t count)
{
	size_t ret = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < objects[i]->phdr_count; k++)
			ret += is_code(&objects[i]->phdrs[k]);
	return ret;
}

static int fill(struct list *_Atomic *list)
{
	struct objects_object **objects;
	struct list *grown;
	size_t count;
	int error = objects_list(&objects, &count);

	if (*list)
		(*list)->count = 0;
	if (error)
		return error;
	grown = list_with_room(*list, count_code(objects, count));
	if (!grown)
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < count && !error; i++)
		error = add(grown, objects[i]);
	if (error)
		grown->count = 0;
	*list = grown;
	return error;
}

static int replace(void)
{
	uint64_t version = in_force + 1;
	int error;

	filled = version;
	atomic_thread_fence(memory_order_seq_cst); /* nothing is written before that */
	error = fill(&lists[version & 1]);
	in_force = version;
	return error;
}

int callers_start(void)
{
	int error = started ? 0 : replace();

	started |= !error;
	return error;
}

void callers_refresh(void)
{
	if (started)
		replace();
}
