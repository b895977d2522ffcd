/* SPDX-License-Identifier: MIT */
/*
 * See objects.h. Debian's files are stripped: the FDEs, found through .eh_frame_hdr, give most of
 * the functions. Where extents overlap the earlier one is cut at the later one's start.
 */
#include "tests/oracle/objects.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIB "/usr/lib/x86_64-linux-gnu/"

const char *const real_objects[] = {
	LIB "libc.so.6",
	LIB "libcrypto.so.3",
	LIB "libsqlite3.so.0",
	LIB "libstdc++.so.6",
	"/usr/bin/python3",
	EP_CC1,
	NULL,
};

static const Elf64_Ehdr *header(const struct object *object)
{
	return (const Elf64_Ehdr *)object->file;
}

static const Elf64_Shdr *section(const struct object *object, size_t number)
{
	return (const Elf64_Shdr *)(object->file + header(object)->e_shoff) + number;
}

static const Elf64_Shdr *section_named(const struct object *object, const char *name)
{
	const char *names =
		(const char *)object->file + section(object, header(object)->e_shstrndx)->sh_offset;

	for (size_t i = 0; i < header(object)->e_shnum; i++)
		if (!strcmp(names + section(object, i)->sh_name, name))
			return section(object, i);
	return NULL;
}

const uint8_t *object_code(const struct object *object, uint64_t address, size_t *ret)
{
	for (size_t i = 0; i < header(object)->e_shnum; i++) {
		const Elf64_Shdr *s = section(object, i);

		if ((s->sh_flags & SHF_EXECINSTR) && address - s->sh_addr < s->sh_size) {
			*ret = s->sh_size - (address - s->sh_addr);
			return object->file + s->sh_offset + (address - s->sh_addr);
		}
	}
	return NULL;
}

static void add(struct object *object, uint64_t start, uint64_t size)
{
	size_t left;

	if (!object_code(object, start, &left) || size > left)
		return;
	if ((object->count & (object->count - 1)) == 0) {
		size_t room = object->count ? 2 * object->count : 1;

		object->functions = realloc(object->functions, room * sizeof(struct function));
	}
	object->functions[object->count++] = (struct function){start, start + size};
}

static void add_symbols(struct object *object, const Elf64_Shdr *table)
{
	if (!table)
		return;
	const Elf64_Sym *symbols = (const Elf64_Sym *)(object->file + table->sh_offset);

	for (size_t i = 0; i < table->sh_size / sizeof(*symbols); i++) {
		unsigned int type = ELF64_ST_TYPE(symbols[i].st_info);

		if (type == STT_FUNC || type == STT_GNU_IFUNC)
			add(object, symbols[i].st_value, symbols[i].st_size);
	}
}

static int32_t s32(const uint8_t *at)
{
	int32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/*
 * The header's table is { function, FDE } of 32 bits each, relative to the header (encoding
 * 0x3b); in an FDE follow length, CIE, and the function's start and size (0x1b, pc-relative).
 * That is how every Debian file has it.
 */
static void add_fdes(struct object *object)
{
	const Elf64_Shdr *hdr = section_named(object, ".eh_frame_hdr");
	const Elf64_Shdr *frame = section_named(object, ".eh_frame");

	if (!hdr || !frame || object->file[hdr->sh_offset + 3] != 0x3b)
		return;
	const uint8_t *at = object->file + hdr->sh_offset;
	int32_t count = s32(at + 8);

	for (int32_t i = 0; i < count; i++) {
		uint64_t start = hdr->sh_addr + (uint64_t)(int64_t)s32(at + 12 + 8 * i);
		uint64_t fde = hdr->sh_addr + (uint64_t)(int64_t)s32(at + 16 + 8 * i);
		const uint8_t *bytes = object->file + frame->sh_offset + (fde - frame->sh_addr);

		add(object, start, (uint32_t)s32(bytes + 12));
	}
}

static int by_start(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? 1 : x->end > y->end ? -1 : 0;
}

static void sort(struct object *object)
{
	size_t kept = 0;

	if (!object->count)
		return;
	qsort(object->functions, object->count, sizeof(struct function), by_start);
	for (size_t i = 1; i < object->count; i++) {
		struct function *last = &object->functions[kept], f = object->functions[i];

		if (f.start == last->start)
			continue;
		if (f.end < last->end)
			f.end = last->end; /* a symbol inside a function */
		if (last->end > f.start)
			last->end = f.start;
		object->functions[++kept] = f;
	}
	object->count = kept + 1;
	object->first = object->functions[0].start;
	object->last = object->functions[kept].end;
}

bool object_open(const char *path, struct object *ret)
{
	struct object object = {0};
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0) {
		object.size = (size_t)st.st_size;
		object.file = mmap(NULL, object.size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	close(fd);
	if (!object.file || object.file == MAP_FAILED)
		return false;
	add_symbols(&object, section_named(&object, ".symtab"));
	add_symbols(&object, section_named(&object, ".dynsym"));
	add_fdes(&object);
	sort(&object);
	*ret = object;
	return true;
}

void object_close(struct object *object)
{
	munmap((void *)object->file, object->size);
	free(object->functions);
}
