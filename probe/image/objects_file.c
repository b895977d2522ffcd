/* SPDX-License-Identifier: MIT */
/*
 * .symtab and the section headers are only in the file, which may have been replaced since: it is
 * believed only if its headers and notes (the build ID among them) are those in memory. It may
 * become shorter, or another one, while it is read: it is read once, into memory of our own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "include/emuprobe.h"
#include "probe/image/objects_piece.h"
#include "sys/files.h"

#define NOTE_MAX (1ul << 20) /* bytes of notes that are compared */

/* ---- the file ------------------------------------------------------------------------------ */

/* A file that is not there is no error; one that cannot be read just now is. *ret: -1, or the file. */
static int open_file(const struct objects_object *object, int *ret)
{
	const char *path = object->is_self ? "/proc/thread-self/exe" : object->path;
	struct stat status;
	int error;

	*ret = sys_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (*ret < 0)
		return *ret == -EMFILE || *ret == -ENFILE || *ret == -ENOMEM ? -EP_NO_MEMORY : 0;
	error = sys_fstat(*ret, &status) ? -EP_IO : 0;
	if (!error && S_ISREG(status.st_mode))
		return 0;
	sys_close(*ret);
	*ret = -1;
	return error;
}

/* Is @size bytes of the file, at @offset, what is loaded at @address? */
static int is_equal(const struct objects_object *object, int fd, uint64_t offset, uint64_t address,
		    uint64_t size, bool *ret)
{
	struct objects_piece file, memory = {0};
	int error = objects_piece_of_file(fd, offset, size, &file);

	if (!error)
		error = objects_piece_of_memory(object, address, size, &memory);
	*ret = !error && file.size == size && memory.size == size &&
	       memcmp(file.bytes, memory.bytes, size) == 0;
	objects_piece_free(&file);
	objects_piece_free(&memory);
	return error;
}

static const ElfW(Phdr) * first_load(const struct objects_object *object)
{
	for (size_t i = 0; i < object->phdr_count; i++)
		if (object->phdrs[i].p_type == PT_LOAD)
			return &object->phdrs[i];
	return NULL;
}

static int is_same_file(const struct objects_object *object, int fd, bool *ret)
{
	const ElfW(Phdr) *load = first_load(object);
	int error;

	*ret = false;
	if (!load || load->p_offset != 0)
		return 0;
	error = is_equal(object, fd, 0, object->base + load->p_vaddr, sizeof(ElfW(Ehdr)), ret);
	for (size_t i = 0; i < object->phdr_count && !error && *ret; i++) {
		const ElfW(Phdr) *note = &object->phdrs[i];

		if (note->p_type == PT_NOTE && note->p_filesz)
			error = is_equal(object, fd, note->p_offset, object->base + note->p_vaddr,
					 note->p_filesz < NOTE_MAX ? note->p_filesz : NOTE_MAX,
					 ret);
	}
	return error;
}

/* ---- sections ------------------------------------------------------------------------------ */

struct sections {
	int fd;
	ElfW(Shdr) * list;
	size_t count;
	struct objects_piece table; /* where the list is */
	struct objects_piece names;
	bool saw_symtab, saw_rseq; /* of each the first */
};

static int read_names(struct sections *sections, size_t index)
{
	const ElfW(Shdr) * names;

	if (index >= sections->count)
		return 0;
	names = &sections->list[index];
	return objects_piece_of_file(sections->fd, names->sh_offset, names->sh_size,
				     &sections->names);
}

static int read_headers(int fd, struct sections *ret)
{
	struct objects_piece piece;
	struct cursor cursor;
	ElfW(Ehdr) header;
	int error = objects_piece_of_file(fd, 0, sizeof(header), &piece);

	*ret = (struct sections){.fd = fd};
	cursor = objects_piece_cursor(&piece);
	cursor_copy(&cursor, &header, sizeof(header));
	objects_piece_free(&piece);
	if (error || header.e_shentsize != sizeof(ElfW(Shdr)))
		return error;
	error = objects_piece_of_file(fd, header.e_shoff, header.e_shnum * sizeof(ElfW(Shdr)),
				      &ret->table);
	ret->list = (void *)ret->table.bytes;
	ret->count = ret->table.size / sizeof(ElfW(Shdr));
	return error ? error : read_names(ret, header.e_shstrndx);
}

static bool has_name(const struct sections *sections, const ElfW(Shdr) * section, const char *name)
{
	const char *found = objects_piece_string(&sections->names, section->sh_name);

	return found && strcmp(found, name) == 0;
}

static int read_symtab(struct objects_object *object, struct sections *sections,
		       const ElfW(Shdr) * table)
{
	struct objects_piece symbols, strings = {0};
	const ElfW(Shdr) * names;
	int error;

	if (sections->saw_symtab || table->sh_link >= sections->count)
		return 0;
	sections->saw_symtab = true;
	names = &sections->list[table->sh_link];
	error = objects_piece_of_file(sections->fd, table->sh_offset, table->sh_size, &symbols);
	if (!error)
		error = objects_piece_of_file(sections->fd, names->sh_offset, names->sh_size,
					      &strings);
	object->has_symtab = symbols.size && strings.size;
	object->names[1] = (char *)strings.bytes;
	if (!error)
		error = objects_add_symbols(object, objects_piece_cursor(&symbols),
					    cursor_over(NULL, 0), &strings, false);
	objects_piece_free(&symbols);
	return error;
}

/* linux/rseq.h, struct rseq_cs: each describes one critical section. */
struct rseq_cs {
	uint32_t version, flags;
	uint64_t start_ip, post_commit_offset, abort_ip;
};

static int read_rseq(struct objects_object *object, struct sections *sections,
		     const ElfW(Shdr) * section)
{
	struct objects_piece piece;
	struct cursor cursor;
	struct rseq_cs one;
	int error;

	if (sections->saw_rseq || !section->sh_addr)
		return 0;
	sections->saw_rseq = true;
	/* Relocated, as the file is not. */
	error = objects_piece_of_memory(object, object->base + section->sh_addr, section->sh_size,
					&piece);
	object->rseq = calloc(piece.size / sizeof(one) + 1, sizeof(object->rseq[0]));
	cursor = objects_piece_cursor(&piece);
	while (object->rseq && cursor_left(&cursor) >= sizeof(one)) {
		uint64_t *range = object->rseq[object->rseq_count++];

		cursor_copy(&cursor, &one, sizeof(one));
		range[0] = one.start_ip;
		range[1] = one.start_ip + one.post_commit_offset;
	}
	objects_piece_free(&piece);
	return error || object->rseq ? error : -EP_NO_MEMORY;
}

static int read_section(struct objects_object *object, struct sections *sections,
			const ElfW(Shdr) * section)
{
	if (section->sh_type == SHT_SYMTAB)
		return read_symtab(object, sections, section);
	if (has_name(sections, section, "__rseq_cs"))
		return read_rseq(object, sections, section);
	if (has_name(sections, section, "ep_trap_path")) {
		object->trap_path[0] = object->base + section->sh_addr;
		object->trap_path[1] = object->trap_path[0] + section->sh_size;
	}
	return 0;
}

static int read_sections(struct objects_object *object, int fd)
{
	struct sections sections;
	int error = read_headers(fd, &sections);

	for (size_t i = 0; i < sections.count && !error; i++)
		error = read_section(object, &sections, &sections.list[i]);
	objects_piece_free(&sections.table);
	objects_piece_free(&sections.names);
	return error;
}

int objects_read_file(struct objects_object *object)
{
	bool same = false;
	int fd, error = open_file(object, &fd);

	if (fd < 0)
		return error;
	error = is_same_file(object, fd, &same);
	if (!error && same)
		error = read_sections(object, fd);
	sys_close(fd);
	return error;
}
