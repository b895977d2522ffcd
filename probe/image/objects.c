/* SPDX-License-Identifier: MIT */
/*
 * The loader knows what is loaded; asking it costs little, and it counts loads and unloads, so the
 * answer is kept until a count changes. After an unload everything read is forgotten: another
 * object may stand at the same address now.
 */
#include "probe/image/objects.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "include/emuprobe.h"
#include "sys/copy.h"

static struct objects_object **objects;
static size_t object_count;
static unsigned long long seen_adds, seen_subs;
static unsigned long long images; /* that there ever were */
static bool is_fresh;		  /* the loader has been asked since the lock was taken */
static bool is_watched;
static struct objects_object **gone; /* unloaded, and not yet told */
static size_t gone_count;

static void object_destroy(struct objects_object *object)
{
	objects_forget_functions(object);
	free(object->phdrs);
	free((char *)object->path);
	free((char *)object->name);
	free(object);
}

static void forget_all(void)
{
	for (size_t i = 0; i < object_count; i++)
		object_destroy(objects[i]);
	free(objects);
	objects = NULL;
	object_count = 0;
}

static const char *basename_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* They are in the object's own memory, which may be a mapping of nothing. */
static bool copy_phdrs(struct objects_object *object, const struct dl_phdr_info *info)
{
	size_t size = info->dlpi_phnum * sizeof(object->phdrs[0]);

	object->loaded_phdrs = info->dlpi_phdr;
	object->phdrs = malloc(size + 1);
	if (!object->phdrs)
		return false;
	if (sys_copy((uint64_t)info->dlpi_phdr, object->phdrs, size) == size)
		object->phdr_count = info->dlpi_phnum;
	return true;
}

static struct objects_object *object_create(const struct dl_phdr_info *info, bool first)
{
	struct objects_object *object = calloc(1, sizeof(*object));
	uint64_t here = (uint64_t)&object_create;

	if (!object)
		return NULL;
	if (!copy_phdrs(object, info)) {
		object_destroy(object);
		return NULL;
	}
	object->base = info->dlpi_addr;
	object->is_executable = first;
	object->path = first ? objects_executable_path(info->dlpi_phdr, &object->is_self)
			     : strdup(info->dlpi_name);
	objects_read_extent(object);
	object->is_vdso = object->start && object->start == getauxval(AT_SYSINFO_EHDR);
	object->is_engine = !first && here >= object->start && here < object->end;
	if (object->path)
		object->name = strdup(basename_of(object->path));
	if (!object->path || !object->name || objects_read_soname(object)) {
		object_destroy(object);
		return NULL;
	}
	return object;
}

static bool is_known(const struct dl_phdr_info *info)
{
	for (size_t i = 0; i < object_count; i++) {
		if (objects[i]->loaded_phdrs != info->dlpi_phdr ||
		    objects[i]->base != info->dlpi_addr)
			continue;
		objects[i]->is_there = true;
		return true;
	}
	return false;
}

static int add_object(struct dl_phdr_info *info, size_t size, void *data)
{
	struct objects_object **grown, *object;
	bool first = object_count == 0;

	(void)size;
	(void)data;
	if (is_known(info))
		return 0;
	grown = reallocarray(objects, object_count + 1, sizeof(objects[0]));
	if (!grown)
		return -EP_NO_MEMORY;
	objects = grown;
	object = object_create(info, first);
	if (!object)
		return -EP_NO_MEMORY;
	object->is_new = is_watched;
	object->is_there = true;
	object->is_foreign = data != NULL;
	objects[object_count++] = object;
	return 0;
}

static void add_gone(struct objects_object *object)
{
	struct objects_object **grown = reallocarray(gone, gone_count + 1, sizeof(gone[0]));

	if (!grown) {
		object_destroy(object); /* nobody will be told */
		return;
	}
	gone = grown;
	gone[gone_count++] = object;
}

/* @foreign: other namespaces have been asked, too. */
static void sweep(bool foreign)
{
	size_t kept = 0;

	for (size_t i = 0; i < object_count; i++) {
		if (objects[i]->is_there || (objects[i]->is_foreign && !foreign))
			objects[kept++] = objects[i];
		else
			add_gone(objects[i]);
	}
	object_count = kept;
}

static void forget_marks(void)
{
	for (size_t i = 0; i < object_count; i++)
		objects[i]->is_there = false;
}

/* Its headers are at its start. */
static int add_mapped(const struct link_map *map)
{
	struct dl_phdr_info info = {.dlpi_addr = map->l_addr, .dlpi_name = map->l_name};
	ElfW(Ehdr) header;

	if (!map->l_addr || map->l_addr == getauxval(AT_SYSINFO_EHDR) ||
	    sys_copy(map->l_addr, &header, sizeof(header)) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return 0;
	info.dlpi_phdr = (const void *)(map->l_addr + header.e_phoff);
	info.dlpi_phnum = header.e_phnum;
	return add_object(&info, sizeof(info), (void *)1);
}

/* Objects of other namespaces are not told by dl_iterate_phdr(), but to debuggers. */
static int add_foreign(void)
{
	const struct r_debug_extended *space = (const void *)&_r_debug;
	int error = 0;

	if (_r_debug.r_version < 2)
		return 0;
	__asm__("" : "+r"(space)); /* it is larger than its declaration says */
	for (space = space->r_next; space && !error; space = space->r_next) {
		const struct link_map *map = space->base.r_map;

		for (; map && !error; map = map->l_next)
			error = add_mapped(map);
	}
	return error;
}

static int get_counts(struct dl_phdr_info *info, size_t size, void *data)
{
	unsigned long long *counts = data;

	(void)size;
	counts[0] = info->dlpi_adds;
	counts[1] = info->dlpi_subs;
	return 1;
}

static int refresh(void)
{
	unsigned long long counts[2] = {0, 0};
	int error;

	if (is_fresh)
		return 0;
	dl_iterate_phdr(get_counts, counts);
	is_fresh = true;
	if (object_count && counts[0] == seen_adds && counts[1] == seen_subs)
		return 0;
	if (counts[1] != seen_subs && !is_watched)
		forget_all();
	forget_marks();
	error = dl_iterate_phdr(add_object, NULL);
	if (!error)
		sweep(false);
	if (error) {
		forget_all();
		is_fresh = false;
		return error;
	}
	seen_adds = counts[0];
	seen_subs = counts[1];
	return 0;
}

void objects_watch(void)
{
	if (refresh())
		return;
	is_watched = true;
	for (size_t i = 0; i < object_count; i++)
		objects[i]->is_new = false;
}

void objects_changes(void (*changed)(struct objects_object *object, bool loaded))
{
	if (refresh())
		return;
	for (size_t i = 0; i < object_count; i++)
		objects[i]->is_there = !objects[i]->is_foreign;
	if (add_foreign() == 0)
		sweep(true);
	for (size_t i = 0; i < gone_count; i++) {
		changed(gone[i], false);
		object_destroy(gone[i]);
	}
	gone_count = 0;
	for (size_t i = 0; i < object_count; i++) {
		if (objects[i]->is_new)
			changed(objects[i], true);
		objects[i]->is_new = false;
	}
}

void objects_invalidate(void)
{
	is_fresh = false;
}

int objects_list(struct objects_object ***ret, size_t *ret_count)
{
	int error = refresh();

	if (error)
		return error;
	*ret = objects;
	*ret_count = object_count;
	return 0;
}

static bool holds(const struct objects_object *object, uint64_t address)
{
	return address >= object->start && address < object->end;
}

struct objects_object *objects_find(uint64_t address)
{
	static size_t last; /* mostly asked for again */

	if (refresh())
		return NULL;
	if (last < object_count && holds(objects[last], address))
		return objects[last];
	for (size_t i = 0; i < object_count; i++)
		if (holds(objects[i], address))
			return objects[last = i];
	return NULL;
}

uint64_t objects_generation(void)
{
	return seen_adds + seen_subs + images;
}

int objects_add_image(struct objects_object *object)
{
	struct objects_object **grown;
	int error = refresh();

	if (error)
		return error;
	grown = reallocarray(objects, object_count + 1, sizeof(objects[0]));
	if (!grown)
		return -EP_NO_MEMORY;
	objects = grown;
	objects[object_count++] = object;
	images++;
	return 0;
}

void objects_remove_image(struct objects_object *object)
{
	size_t kept = 0;

	for (size_t i = 0; i < object_count; i++)
		if (objects[i] != object)
			objects[kept++] = objects[i];
	object_count = kept;
}
