/* SPDX-License-Identifier: MIT */
/*
 * All that is known of code is known of what is loaded. To say what probes would be like in a file, it is
 * laid out as the loader would: into anonymous memory, since a mapping of the file dies with the file,
 * and without the right to execute any of it. A file may claim to be of any size, and to be at any
 * address: what is read of it is bounded by what there is of it.
 */
#include "probe/image/image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "include/emuprobe.h"
#include "probe/image/objects.h"
#include "probe/image/objects_piece.h"
#include "sys/abi.h"
#include "sys/files.h"
#include "sys/mapping.h"

#define EXTENT_MAX (1ul << 36) /* bytes of address space: no program has as many */
#define SLACK	   (1ul << 20) /* segments share pages, so that they are more than their file */

static int read_header(int fd, ElfW(Ehdr) * ret)
{
	struct objects_piece piece;
	struct cursor cursor;
	int error = objects_piece_of_file(fd, 0, sizeof(*ret), &piece);

	cursor = objects_piece_cursor(&piece);
	cursor_copy(&cursor, ret, sizeof(*ret));
	objects_piece_free(&piece);
	if (error)
		return error;
	if (cursor.failed || memcmp(ret->e_ident, ELFMAG, SELFMAG) != 0 ||
	    ret->e_ident[EI_CLASS] != ELFCLASS64 || ret->e_machine != EM_X86_64 ||
	    ret->e_phentsize != sizeof(ElfW(Phdr)) ||
	    (ret->e_type != ET_EXEC && ret->e_type != ET_DYN))
		return -EP_UNSUPPORTED;
	return 0;
}

static int read_phdrs(int fd, const ElfW(Ehdr) * header, struct objects_object *object)
{
	struct objects_piece piece;
	int error = objects_piece_of_file(fd, header->e_phoff, header->e_phnum * sizeof(ElfW(Phdr)),
					  &piece);

	object->phdrs = (void *)piece.bytes;
	object->phdr_count = piece.size / sizeof(ElfW(Phdr));
	return error;
}

/* The addresses that it wants, in whole pages. False: none, or more than there could be. */
static bool find_extent(const struct objects_object *object, uint64_t *ret_start,
			uint64_t *ret_size)
{
	uint64_t start = UINT64_MAX, end = 0;

	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];

		if (phdr->p_type != PT_LOAD || !phdr->p_memsz)
			continue;
		if (phdr->p_vaddr + phdr->p_memsz < phdr->p_vaddr)
			return false;
		start = phdr->p_vaddr < start ? phdr->p_vaddr : start;
		end = phdr->p_vaddr + phdr->p_memsz > end ? phdr->p_vaddr + phdr->p_memsz : end;
	}
	start &= -(uint64_t)SYS_PAGE_SIZE;
	*ret_start = start;
	*ret_size = (end - start + SYS_PAGE_SIZE - 1) & -(uint64_t)SYS_PAGE_SIZE;
	return start < end && end - start <= EXTENT_MAX;
}

static int read_segment(int fd, uint64_t base, const ElfW(Phdr) * phdr, uint64_t *left)
{
	uint64_t size = phdr->p_filesz < phdr->p_memsz ? phdr->p_filesz : phdr->p_memsz;
	uint64_t to = base + phdr->p_vaddr, done = 0;

	if (size > *left)
		return -EP_UNSUPPORTED;
	*left -= size;
	while (done < size) {
		long got = sys_pread(fd, (void *)(to + done), size - done, phdr->p_offset + done);

		if (got < 0)
			return -EP_IO;
		if (got == 0)
			break; /* what is missing is zero */
		done += (uint64_t)got;
	}
	return 0;
}

static int read_segments(int fd, const struct objects_object *object)
{
	struct stat status;
	uint64_t left;
	int error = sys_fstat(fd, &status) ? -EP_IO : 0;

	left = error ? 0 : (uint64_t)status.st_size * 2 + SLACK;
	for (size_t i = 0; i < object->phdr_count && !error; i++)
		if (object->phdrs[i].p_type == PT_LOAD)
			error = read_segment(fd, object->base, &object->phdrs[i], &left);
	return error;
}

static int lay_out(int fd, struct objects_object *object)
{
	uint64_t start, size;
	long memory;
	int error;

	if (!find_extent(object, &start, &size))
		return -EP_UNSUPPORTED;
	memory = sys_mmap(0, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(memory))
		return -EP_NO_MEMORY;
	object->base = (uint64_t)memory - start;
	object->loaded_phdrs = (const void *)memory;
	objects_read_extent(object);
	error = read_segments(fd, object);
	if (!error && sys3(SYS_mprotect, memory, (long)size, PROT_READ))
		error = -EP_NO_MEMORY;
	return error;
}

static void destroy(struct objects_object *object)
{
	uint64_t start, size;

	if (object->loaded_phdrs && find_extent(object, &start, &size))
		sys_munmap((uint64_t)object->loaded_phdrs, size);
	objects_forget_functions(object);
	free(object->phdrs);
	free((char *)object->path);
	free((char *)object->name);
	free(object);
}

static int name_it(struct objects_object *object, const char *path, const char *shown)
{
	const char *slash = strrchr(shown, '/');

	object->path = strdup(path);
	object->name = strdup(slash ? slash + 1 : shown);
	return object->path && object->name ? 0 : -EP_NO_MEMORY;
}

int image_load(int fd, const char *path, const char *shown, bool is_program,
	       struct objects_object **ret)
{
	struct objects_object *object = calloc(1, sizeof(*object));
	ElfW(Ehdr) header;
	int error = object ? read_header(fd, &header) : -EP_NO_MEMORY;

	if (!object)
		return error;
	object->is_executable = is_program;
	object->is_foreign = true;
	if (!error)
		error = read_phdrs(fd, &header, object);
	if (!error)
		error = lay_out(fd, object);
	if (!error)
		error = name_it(object, path, shown);
	if (!error)
		error = objects_read_soname(object);
	if (!error)
		error = objects_add_image(object);
	if (error)
		destroy(object);
	else
		*ret = object;
	return error;
}

void image_unload(struct objects_object *object)
{
	objects_remove_image(object);
	destroy(object);
}
