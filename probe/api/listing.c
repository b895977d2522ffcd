/* SPDX-License-Identifier: MIT */
/*
 * What a file has is found out as if it were loaded: it is one of the objects as long as it is open. Its
 * bytes are read directly, since they are in memory of ours that nobody takes away; that the kernel
 * copies each instruction takes longer than all else.
 */
#include "include/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/api/places.h"
#include "probe/engine/lock.h"
#include "probe/image/blocks.h"
#include "probe/image/functions.h"
#include "probe/image/glob.h"
#include "probe/image/image.h"
#include "probe/image/objects.h"
#include "probe/image/original.h"
#include "probe/image/place.h"
#include "probe/site/plan.h"
#include "sys/copy.h"

#define UNNAMED "sub_"

struct ep_image {
	struct objects_object *object;
};

static const struct objects_object *readable; /* the one that was opened last */

static bool read_image(uint64_t address, uint8_t *ret, size_t size)
{
	if (readable && address >= readable->start && address < readable->end &&
	    readable->end - address >= size) {
		memcpy(ret, (const void *)address, size);
		return true;
	}
	return sys_copy_all(address, ret, size);
}

int ep_image_open(int fd, const char *path, const char *shown, bool is_program,
		  struct ep_image **ret)
{
	struct ep_image *image = malloc(sizeof(*image));
	int error;

	if (!image)
		return -EP_NO_MEMORY;
	engine_lock();
	error = image_load(fd, path, shown, is_program, &image->object);
	if (!error) {
		readable = image->object;
		original_set_reader(read_image);
	}
	engine_unlock();
	if (error)
		free(image);
	else
		*ret = image;
	return error;
}

void ep_image_close(struct ep_image *image)
{
	engine_lock();
	if (readable == image->object)
		readable = NULL;
	image_unload(image->object);
	engine_unlock();
	free(image);
}

const char *ep_image_name(const struct ep_image *image)
{
	return image->object->name;
}

bool ep_image_is_meant(const struct ep_image *image, const struct ep_place *place)
{
	return places_object_matches(image->object, place);
}

/* ---- functions ----------------------------------------------------------------------------- */

struct listing {
	struct objects_object *object;
	const struct ep_place *place;
	bool plans;
	int (*visit)(const struct ep_listed *function, void *data);
	void *data;
};

static void foresee(const struct objects_function *function, struct ep_listed *ret)
{
	struct plan_choice choice = {EP_PLAN_REFUSED, 0};
	struct x86_insn insn;
	int error = place_check(function->start, &insn);

	if (!error) {
		x86_insn_text(&insn, ret->insn, sizeof(ret->insn));
		error = plan_choose(&insn, EP_PLAN_AUTO, &choice);
	}
	if (!error)
		plan_foresee(&insn, EP_PLAN_AUTO, &choice);
	ret->plan = error ? EP_PLAN_REFUSED : choice.plan;
	ret->reason = error ? -error : choice.reason;
	ret->is_planned = true;
}

static bool is_meant(const struct listing *listing, const struct ep_listed *function)
{
	const struct ep_place *place = listing->place;

	if (!place->symbol)
		return place->offset - function->offset < function->size;
	if (place->is_literal & EP_LITERAL_SYMBOL)
		return strcmp(place->symbol, function->symbol) == 0;
	return glob_matches(place->symbol, function->symbol);
}

static bool is_version(const struct listing *listing, const struct objects_function *function)
{
	const char *wanted = listing->place->version, *version;

	if (!wanted)
		return true;
	version = objects_version(listing->object, function);
	return version && glob_matches(wanted + (*wanted == '@'), version) &&
	       !(*wanted == '@' && function->hidden_version);
}

static int list_one(const struct listing *listing, const struct objects_function *function)
{
	char name[32];
	struct ep_listed listed = {
		.symbol = function->name ? function->name : name,
		.version = function->hidden_version ? objects_version(listing->object, function)
						    : NULL,
		.offset = objects_file_offset(listing->object, function->start),
		.size = function->end - function->start,
		.is_unnamed = !function->name,
		.is_indirect = function->kind == OBJECTS_IFUNC,
	};

	snprintf(name, sizeof(name), UNNAMED "%lx", (unsigned long)listed.offset);
	if (!is_meant(listing, &listed) || !is_version(listing, function))
		return 0;
	if (listing->plans && !listed.is_indirect)
		foresee(function, &listed);
	return listing->visit(&listed, listing->data);
}

static int by_name(const void *a, const void *b)
{
	const struct objects_function *left = *(const struct objects_function *const *)a;
	const struct objects_function *right = *(const struct objects_function *const *)b;
	int order;

	if (!left->name != !right->name)
		return !left->name - !right->name; /* those without a name are the last */
	order = left->name ? strcmp(left->name, right->name) : 0;
	return order ? order : left < right ? -1 : 1;
}

/* Symbol tables have most of them twice, and versions of one name may be one function. */
static bool is_same(const struct objects_function *left, const struct objects_function *right)
{
	if (!left->name || !right->name)
		return true; /* it has a name, or none of them has */
	return strcmp(left->name, right->name) == 0;
}

static unsigned int rank(const struct objects_function *function)
{
	return function->version ? 1 + !function->hidden_version : 0;
}

static const struct objects_function *prefer(const struct objects_function *left,
					     const struct objects_function *right)
{
	return right->name && rank(right) > rank(left) ? right : left;
}

/* Those of one start: each name once. @group: room for them. */
static int list_group(const struct listing *listing, const struct objects_function *first,
		      size_t count, const struct objects_function **group)
{
	int error = 0;

	for (size_t i = 0; i < count; i++)
		group[i] = &first[i];
	if (count > 1)
		qsort(group, count, sizeof(*group), by_name);
	for (size_t i = 0, next; i < count && !error; i = next) {
		const struct objects_function *function = group[i];

		for (next = i + 1; next < count && is_same(group[i], group[next]); next++)
			function = prefer(function, group[next]);
		error = list_one(listing, function);
	}
	return error;
}

static size_t group_size(const struct objects_object *object, size_t at)
{
	size_t end = at + 1;

	while (end < object->function_count &&
	       object->functions[end].start == object->functions[at].start)
		end++;
	return end - at;
}

static int list_all(const struct listing *listing)
{
	const struct objects_object *object = listing->object;
	const struct objects_function **group = calloc(object->function_count + 1, sizeof(*group));
	int error = group ? 0 : -EP_NO_MEMORY;

	for (size_t i = 0; i < object->function_count && !error;) {
		size_t count = group_size(object, i);

		error = list_group(listing, &object->functions[i], count, group);
		i += count;
	}
	free(group);
	return error;
}

int ep_image_functions(struct ep_image *image, const struct ep_place *place, bool plans,
		       int (*visit)(const struct ep_listed *function, void *data), void *data)
{
	const struct listing listing = {image->object, place, plans, visit, data};
	int error;

	engine_lock();
	error = objects_read_functions(image->object);
	if (!error)
		error = objects_read_versions(image->object);
	if (!error)
		error = list_all(&listing);
	engine_unlock();
	return error;
}

static int visit_blocks(const struct objects_object *object, const struct blocks *blocks,
			int (*visit)(const struct ep_block *block, void *data), void *data)
{
	struct block block = {.start = 0};
	int error = 0;

	while (!error && blocks_next(blocks, block.start, &block)) {
		const struct ep_block told = {
			.offset = objects_file_offset(object, block.start),
			.address = block.start - object->base,
			.size = (uint32_t)(block.end - block.start),
			.byte = *(const uint8_t *)block.start,
			.is_entry = block.is_entry,
			.symbol = block.of ? block.of->name : NULL,
			.function_offset =
				block.of ? objects_file_offset(object, block.of->start) : 0,
		};

		error = visit(&told, data);
	}
	return error;
}

int ep_image_blocks(struct ep_image *image, int (*visit)(const struct ep_block *block, void *data),
		    void *data, struct ep_block_sizes *ret)
{
	struct blocks *blocks;
	int error;

	engine_lock();
	error = blocks_find(image->object, &blocks);
	if (!error) {
		blocks_sizes(blocks, &ret->bytes, &ret->unknown);
		error = visit_blocks(image->object, blocks, visit, data);
		blocks_free(blocks);
	}
	engine_unlock();
	return error;
}

int ep_image_needs(const struct ep_image *image,
		   void (*visit)(enum ep_need what, const char *name, void *data), void *data)
{
	return objects_read_needs(image->object, visit, data);
}
