// SPDX-License-Identifier: MIT
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
static bool is_fresh; /* the loader has been asked since the lock was taken */
static bool is_watched;
static struct objects_object **gone; /* unloaded, and not yet told */
static size_t gone_count;

void objects_forget_functions(struct objects_object *object)
{
	free(object->functions);
	free(object->rseq);
	free(object->names[0]);
	free(object->names[1]);
	object->functions = NULL;
	object->rseq = NULL;
	object->names[0] = object->names[1] = NULL;
	object->function_count = object->rseq_count = 0;
	object->functions_read = false;
}

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

void objects_read_extent(struct objects_object *object)
{
	object->start = UINT64_MAX;
	object->end = 0;
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		uint64_t start = object->base + phdr->p_vaddr;

		if (phdr->p_type != PT_LOAD)
			continue;
		if (start < object->start)
			object->start = start;
		if (start + phdr->p_memsz > object->end)
			object->end = start + phdr->p_memsz;
	}
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

struct objects_object *objects_find(uint64_t address)
{
	if (refresh())
		return NULL;
	for (size_t i = 0; i < object_count; i++)
		if (address >= objects[i]->start && address < objects[i]->end)
			return objects[i];
	return NULL;
}

/* Where the executable segment ends that holds @address; 0: none does. */
static uint64_t code_end(const struct objects_object *object, uint64_t address)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		uint64_t start = object->base + phdr->p_vaddr;

		if (phdr->p_type == PT_LOAD && (phdr->p_flags & PF_X) &&
		    address - start < phdr->p_filesz)
			return start + phdr->p_filesz;
	}
	return 0;
}

bool objects_is_code(const struct objects_object *object, uint64_t address)
{
	return code_end(object, address) != 0;
}

uint64_t objects_of_file_offset(const struct objects_object *object, uint64_t offset)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];

		if (phdr->p_type == PT_LOAD && (phdr->p_flags & PF_X) &&
		    offset - phdr->p_offset < phdr->p_filesz)
			return object->base + phdr->p_vaddr + (offset - phdr->p_offset);
	}
	return 0;
}

uint64_t objects_file_offset(const struct objects_object *object, uint64_t address)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		uint64_t at = address - object->base - phdr->p_vaddr;

		if (phdr->p_type == PT_LOAD && at < phdr->p_filesz)
			return phdr->p_offset + at;
	}
	return 0;
}

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

int objects_add(struct objects_object *object, const struct objects_function *function)
{
	uint64_t end = code_end(object, function->start);
	size_t count = object->function_count;

	if (!end)
		return 0;
	/* Room for the next power of two, at least 1024. */
	if (count == 0 || (count >= 1024 && (count & (count - 1)) == 0)) {
		struct objects_function *grown =
			reallocarray(object->functions, count ? count * 2 : 1024, sizeof(grown[0]));

		if (!grown)
			return -EP_NO_MEMORY;
		object->functions = grown;
	}
	object->functions[count] = *function;
	if (function->end > end)
		object->functions[count].end = end;
	object->function_count++;
	return 0;
}

uint64_t objects_generation(void)
{
	return seen_adds + seen_subs;
}

size_t objects_count_up_to(const struct objects_object *object, uint64_t address)
{
	size_t low = 0, high = object->function_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (object->functions[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct objects_function *objects_function_at(struct objects_object *object, uint64_t address)
{
	size_t low = objects_count_up_to(object, address);

	/* Extents may nest, but not deeply: a function with entries inside. */
	for (size_t i = low, tries = 0; i-- > 0 && tries < 64; tries++)
		if (address < object->functions[i].end)
			return &object->functions[i];
	return NULL;
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
