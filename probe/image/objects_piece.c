/* SPDX-License-Identifier: MIT */
/*
 * Whoever shortens the file of an object that is mapped, as strip(1) does, makes reading that mapping
 * fatal. So everything is copied once, by the kernel, and read there. What an object says of its own
 * sizes may be a lie: a piece ends with the file, or with the part of it that its segment holds.
 */
#include "probe/image/objects_piece.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "include/emuprobe.h"
#include "sys/copy.h"
#include "sys/files.h"

/* Bytes: a file may have holes and claim to be of any size. A sanitizer looks at each of them. */
#ifndef PIECE_MAX
#define PIECE_MAX (1ul << 30)
#endif

/* How much of the file the segment holds from @address on. */
static uint64_t left_in_segment(const struct objects_object *object, uint64_t address)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		uint64_t at = address - object->base - phdr->p_vaddr;

		if (phdr->p_type == PT_LOAD && at < phdr->p_filesz)
			return phdr->p_filesz - at;
	}
	return 0;
}

static int left_in_file(int fd, uint64_t offset, uint64_t *ret)
{
	struct stat status;

	*ret = 0;
	if (sys_fstat(fd, &status))
		return -EP_IO;
	if (status.st_size > 0 && offset < (uint64_t)status.st_size)
		*ret = (uint64_t)status.st_size - offset;
	return 0;
}

static int allocate(uint64_t size, struct objects_piece *ret)
{
	*ret = (struct objects_piece){0};
	if (size == 0)
		return 0;
	if (size > PIECE_MAX)
		size = PIECE_MAX;
	ret->bytes = malloc(size + 1);
	if (!ret->bytes)
		return -EP_NO_MEMORY;
	ret->size = size;
	return 0;
}

static void finish(struct objects_piece *piece, size_t size)
{
	piece->size = size;
	if (size == 0)
		objects_piece_free(piece);
	else
		piece->bytes[size] = '\0';
}

int objects_piece_of_memory(const struct objects_object *object, uint64_t address, uint64_t size,
			    struct objects_piece *ret)
{
	uint64_t left = left_in_segment(object, address);
	int error = allocate(size < left ? size : left, ret);

	if (!error && ret->bytes)
		finish(ret, sys_copy(address, ret->bytes, ret->size));
	return error;
}

static int read_file(int fd, uint64_t offset, uint8_t *to, size_t size, size_t *ret)
{
	*ret = 0;
	while (*ret < size) {
		long got = sys_pread(fd, to + *ret, size - *ret, offset + *ret);

		if (got < 0 && got != -EINTR)
			return -EP_IO;
		if (got == 0)
			break;
		*ret += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

int objects_piece_of_file(int fd, uint64_t offset, uint64_t size, struct objects_piece *ret)
{
	uint64_t left;
	size_t got = 0;
	int error = left_in_file(fd, offset, &left);

	*ret = (struct objects_piece){0};
	if (!error)
		error = allocate(size < left ? size : left, ret);
	if (error || !ret->bytes)
		return error;
	error = read_file(fd, offset, ret->bytes, ret->size, &got);
	finish(ret, got);
	return error;
}

void objects_piece_free(struct objects_piece *piece)
{
	free(piece->bytes);
	*piece = (struct objects_piece){0};
}

const char *objects_piece_string(const struct objects_piece *piece, uint64_t at)
{
	return at < piece->size ? (const char *)piece->bytes + at : NULL;
}

struct cursor objects_piece_cursor(const struct objects_piece *piece)
{
	return cursor_over(piece->bytes, piece->size);
}
