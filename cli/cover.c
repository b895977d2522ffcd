/* SPDX-License-Identifier: MIT */
/*
 * Files are looked at before the program runs, once for all of its processes: what each has to do is to
 * write traps where the session says. What is covered is known, and said, before anything has run.
 */
#include "cli/cover.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/objects.h"
#include "cli/options.h"
#include "include/covering.h"
#include "trace/session/cover.h"

/* ---- objects and blocks -------------------------------------------------------------------- */

struct cover_object *cover_add_object(struct cover *cover, const char *name, const char *path)
{
	struct cover_object *grown = reallocarray(cover->objects, cover->count + 1, sizeof(*grown));
	struct cover_object *object;

	if (!grown)
		return NULL;
	cover->objects = grown;
	object = &grown[cover->count];
	*object = (struct cover_object){.name = strdup(name), .path = realpath(path, NULL)};
	if (!object->path) /* of a list: it is not there any more */
		object->path = strdup(path);
	if (!object->name || !object->path)
		return NULL;
	cover->count++;
	return object;
}

/* Blocks of one function follow each other: its name stands there once. */
static int add_name(struct cover_object *object, const char *name, uint32_t *ret)
{
	size_t size = strlen(name) + 1;

	if (object->count) {
		*ret = object->blocks[object->count - 1].name;
		if (strcmp(object->names + *ret, name) == 0)
			return 0;
	}
	if (object->names_size + size > object->names_room) {
		size_t room = 2 * (object->names_room + size);
		char *grown = realloc(object->names, room);

		if (!grown)
			return -EP_NO_MEMORY;
		object->names = grown;
		object->names_room = room;
	}
	*ret = (uint32_t)object->names_size;
	memcpy(object->names + object->names_size, name, size);
	object->names_size += size;
	return 0;
}

static int make_room(struct cover_object *object)
{
	size_t room = object->room ? 2 * object->room : 1024;
	struct cover_block *blocks;
	uint8_t *hits;

	if (object->count < object->room)
		return 0;
	blocks = reallocarray(object->blocks, room, sizeof(*blocks));
	if (blocks)
		object->blocks = blocks;
	hits = realloc(object->hits, room);
	if (hits)
		object->hits = hits;
	if (!blocks || !hits)
		return -EP_NO_MEMORY;
	object->room = room;
	return 0;
}

int cover_add_block(struct cover_object *object, const struct cover_block *block, const char *name)
{
	uint32_t at = 0;
	int error = make_room(object);

	if (!error)
		error = add_name(object, name, &at);
	if (error)
		return error;
	object->blocks[object->count] = *block;
	object->blocks[object->count].name = at;
	object->hits[object->count++] = 0;
	return 0;
}

/* ---- files --------------------------------------------------------------------------------- */

struct finding {
	struct cover *cover;
	struct cover_object *object; /* that is just being filled */
	char *const *globs;
	size_t glob_count;
	bool any; /* whatever it is; else the first one, and what the globs mean */
};

static int add_listed(const struct ep_block *block, void *data)
{
	const struct finding *finding = data;
	char unnamed[32];
	const struct cover_block added = {
		.offset = (uint32_t)block->offset,
		.size = block->size,
		.from_function = (uint32_t)(block->offset - block->function_offset),
		.byte = block->byte,
		.is_entry = block->is_entry,
	};

	if (!block->is_entry && finding->cover->level == COVER_FUNCTIONS)
		return 0;
	if (block->offset > UINT32_MAX || block->byte == 0xcc) /* int3: somebody else's */
		return 0;
	snprintf(unnamed, sizeof(unnamed), "sub_%lx", (unsigned long)block->function_offset);
	return cover_add_block(finding->object, &added, block->symbol ? block->symbol : unnamed);
}

/* Whether it is the same build. */
static uint64_t hash_of(const uint8_t *bytes, size_t size)
{
	uint64_t ret = size, word;

	for (; size >= sizeof(word); bytes += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		ret = (ret ^ word) * 0xff51afd7ed558ccdu;
		ret ^= ret >> 32;
	}
	for (; size; bytes++, size--)
		ret = (ret ^ *bytes) * 0xff51afd7ed558ccdu;
	return ret;
}

static int identify(struct cover_object *object)
{
	int fd = open(object->path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *bytes = MAP_FAILED;

	if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size)
		bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd >= 0)
		close(fd);
	if (bytes == MAP_FAILED)
		return complain("%s: %s", object->path, strerror(errno)), EXIT_OURS;
	object->device = status.st_dev;
	object->inode = status.st_ino;
	object->hash = hash_of(bytes, (size_t)status.st_size);
	munmap(bytes, (size_t)status.st_size);
	return 0;
}

static bool is_known(const struct cover *cover, const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return false;
	for (size_t i = 0; i < cover->count; i++)
		if (cover->objects[i].device == status.st_dev &&
		    cover->objects[i].inode == status.st_ino)
			return true;
	return false;
}

static int add_image(struct finding *finding, struct ep_image *image, const char *path)
{
	struct ep_block_sizes sizes;
	int error;

	if (finding->cover->count == EP_COVERS_MAX)
		return complain("%s: %d objects are enough", path, EP_COVERS_MAX), EXIT_OURS;
	finding->object = cover_add_object(finding->cover, ep_image_name(image), path);
	error = finding->object ? identify(finding->object) : -EP_NO_MEMORY;
	if (error > 0)
		return error;
	if (!error)
		error = ep_image_blocks(image, add_listed, finding, &sizes);
	if (error)
		return complain("%s: %s", path, ep_strerror(error)), EXIT_OURS;
	finding->object->bytes = sizes.bytes;
	finding->object->unknown = sizes.unknown;
	return 0;
}

static bool is_wanted(const struct finding *finding, const char *name, const char *path)
{
	if (finding->any || !finding->cover->count)
		return true;
	for (size_t i = 0; i < finding->glob_count; i++)
		if (fnmatch(finding->globs[i], name, 0) == 0 ||
		    fnmatch(finding->globs[i], path, 0) == 0)
			return true;
	return false;
}

static int visit(struct ep_image *image, const char *path, void *data)
{
	struct finding *finding = data;

	if (!is_wanted(finding, ep_image_name(image), path) || is_known(finding->cover, path))
		return 0;
	return add_image(finding, image, path);
}

static int find_files(struct finding *finding, const char *pattern)
{
	glob_t found;
	int error = 0;

	if (glob(pattern, 0, NULL, &found)) {
		complain("--cover-object=%s: there is no such file", pattern);
		return EXIT_OURS;
	}
	finding->any = true;
	for (size_t i = 0; i < found.gl_pathc && !error; i++)
		error = objects_of_file(found.gl_pathv[i], false, visit, finding);
	finding->any = false;
	globfree(&found);
	return error;
}

static bool is_script(const char *path)
{
	FILE *file = fopen(path, "re");
	bool ret = file && fgetc(file) == '#' && fgetc(file) == '!';

	if (file)
		fclose(file);
	return ret;
}

int cover_find(const char *program, char *const *globs, size_t glob_count, enum cover_level level,
	       struct cover *ret)
{
	struct finding finding = {.cover = ret, .globs = globs, .glob_count = glob_count};
	int error = 0;

	*ret = (struct cover){.level = level};
	if (!is_script(program))
		error = objects_of_file(program, glob_count > 0, visit, &finding);
	for (size_t i = 0; i < glob_count && !error; i++)
		if (strchr(globs[i], '/'))
			error = find_files(&finding, globs[i]);
	if (!error && !ret->count) {
		complain(
			"--cover: %s is a script: say by --cover-object=PATH what is to be covered",
			program);
		error = EXIT_OURS;
	}
	return error;
}

/* ---- the session --------------------------------------------------------------------------- */

static size_t aligned(size_t size)
{
	return (size + 7) / 8 * 8;
}

size_t cover_session_size(const struct cover *cover)
{
	size_t size = sizeof(struct trace_cover);

	for (size_t i = 0; i < cover->count; i++)
		size += sizeof(struct trace_cover_object) +
			aligned(cover->objects[i].count * sizeof(uint32_t)) +
			2 * aligned(cover->objects[i].count);
	return size;
}

void cover_put_session(const struct cover *cover, void *to)
{
	struct trace_cover *head = to;
	size_t at = sizeof(*head) + cover->count * sizeof(head->objects[0]);

	*head = (struct trace_cover){.size = cover_session_size(cover), .count = cover->count};
	for (size_t i = 0; i < cover->count; i++) {
		const struct cover_object *from = &cover->objects[i];
		struct trace_cover_object *object = &head->objects[i];
		uint32_t *offsets = (void *)((char *)to + at);
		uint8_t *bytes;

		object->device = from->device;
		object->inode = from->inode;
		object->count = from->count;
		object->offsets = at;
		object->bytes = at + aligned(from->count * sizeof(uint32_t));
		object->hits = object->bytes + aligned(from->count);
		at = object->hits + aligned(from->count);
		bytes = (uint8_t *)to + object->bytes;
		for (size_t j = 0; j < from->count; j++) {
			offsets[j] = from->blocks[j].offset;
			bytes[j] = from->blocks[j].byte;
		}
		if (from->count)
			memcpy((char *)to + object->hits, from->hits, from->count);
	}
}

/* Where it is we know ourselves: the program may have written to it. */
void cover_take_session(struct cover *cover, const void *from, uint64_t *ret_unarmed)
{
	const struct trace_cover *head = from;
	size_t at = sizeof(*head) + cover->count * sizeof(head->objects[0]);

	*ret_unarmed = head->unarmed;
	for (size_t i = 0; i < cover->count; i++) {
		struct cover_object *object = &cover->objects[i];
		const uint8_t *hits;

		at += aligned(object->count * sizeof(uint32_t)) + aligned(object->count);
		hits = (const uint8_t *)from + at;
		for (size_t j = 0; j < object->count; j++)
			object->hits[j] |= hits[j] == 1;
		at += aligned(object->count);
	}
}

/* ---- what has come of it ------------------------------------------------------------------- */

static void say_object(const struct cover *cover, const struct cover_object *object)
{
	size_t functions = 0, entered = 0, reached = 0;
	double unknown =
		object->bytes ? 100.0 * (double)object->unknown / (double)object->bytes : 0;

	for (size_t i = 0; i < object->count; i++) {
		functions += object->blocks[i].is_entry;
		entered += object->blocks[i].is_entry && object->hits[i];
		reached += object->hits[i];
	}
	if (cover->level == COVER_FUNCTIONS)
		complain("%s: %zu of %zu functions", object->name, entered, functions);
	else
		complain("%s: %zu of %zu functions, %zu of %zu blocks; no road is known to %.1f %% "
			 "of the code",
			 object->name, entered, functions, reached, object->count, unknown);
}

void cover_say(const struct cover *cover, uint64_t unarmed)
{
	for (size_t i = 0; i < cover->count; i++)
		say_object(cover, &cover->objects[i]);
	if (unarmed)
		complain("%lu times a place could not be watched, and does not show as reached",
			 (unsigned long)unarmed);
}
