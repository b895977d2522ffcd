// SPDX-License-Identifier: MIT
/*
 * Symbols. .dynsym is in the loaded object's memory and so is always the right one; .symtab and
 * section headers are only in the file, which may have been replaced since: it is believed only if
 * its headers and notes (the build ID among them) are those in memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "probe/image/objects.h"

#define VERSYM_HIDDEN 0x8000u

struct dynamic {
	const ElfW(Sym) * symbols;
	const char *strings;
	const uint32_t *gnu_hash, *hash;
	const ElfW(Half) * versions;
	uint64_t soname;
	uint64_t strings_size;
};

/* The loader has relocated these pointers for most objects, not for the vDSO. */
static const void *pointer(const struct objects_object *object, uint64_t value)
{
	return (const void *)(value < object->start ? value + object->base : value);
}

static const ElfW(Dyn) * find_dynamic(const struct objects_object *object)
{
	for (size_t i = 0; i < object->phdr_count; i++)
		if (object->phdrs[i].p_type == PT_DYNAMIC)
			return (const void *)(object->base + object->phdrs[i].p_vaddr);
	return NULL;
}

static bool read_dynamic(const struct objects_object *object, struct dynamic *ret)
{
	const ElfW(Dyn) *dyn = find_dynamic(object);

	*ret = (struct dynamic){.soname = UINT64_MAX};
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		const void *at = pointer(object, dyn->d_un.d_ptr);

		if (dyn->d_tag == DT_SYMTAB)
			ret->symbols = at;
		else if (dyn->d_tag == DT_STRTAB)
			ret->strings = at;
		else if (dyn->d_tag == DT_STRSZ)
			ret->strings_size = dyn->d_un.d_val;
		else if (dyn->d_tag == DT_GNU_HASH)
			ret->gnu_hash = at;
		else if (dyn->d_tag == DT_HASH)
			ret->hash = at;
		else if (dyn->d_tag == DT_VERSYM)
			ret->versions = at;
		else if (dyn->d_tag == DT_SONAME)
			ret->soname = dyn->d_un.d_val;
	}
	return ret->symbols && ret->strings;
}

void objects_read_soname(struct objects_object *object)
{
	struct dynamic dynamic;
	char *name;

	if (object->is_executable || !read_dynamic(object, &dynamic) ||
	    dynamic.soname >= dynamic.strings_size)
		return;
	name = strdup(dynamic.strings + dynamic.soname);
	if (!name)
		return;
	free((char *)object->name);
	object->name = name;
}

/* DT_GNU_HASH does not say how many symbols there are: the last chain's end does. */
static size_t count_gnu_hash(const uint32_t *hash)
{
	uint32_t bucket_count = hash[0], first = hash[1], bloom_words = hash[2], last = 0;
	const uint32_t *buckets = hash + 4 + bloom_words * 2;
	const uint32_t *chains = buckets + bucket_count;

	for (uint32_t i = 0; i < bucket_count; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < first)
		return first;
	while (!(chains[last - first] & 1))
		last++;
	return last + 1;
}

static int add_symbol(struct objects_object *object, const ElfW(Sym) * symbol, const char *strings,
		      bool exported, bool hidden_version)
{
	unsigned int type = ELF64_ST_TYPE(symbol->st_info);
	struct objects_function function = {
		.start = object->base + symbol->st_value,
		.name = strings + symbol->st_name,
		.kind = type == STT_GNU_IFUNC ? OBJECTS_IFUNC : OBJECTS_FUNC,
		.exported = exported,
		.hidden_version = hidden_version,
		.weak = ELF64_ST_BIND(symbol->st_info) == STB_WEAK,
	};

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol->st_shndx == SHN_UNDEF ||
	    !symbol->st_value || !objects_is_code(object, function.start))
		return 0;
	function.end = function.start + symbol->st_size;
	return objects_add(object, &function);
}

static int read_dynsym(struct objects_object *object)
{
	struct dynamic dynamic;
	size_t count;

	if (!read_dynamic(object, &dynamic) || (!dynamic.gnu_hash && !dynamic.hash))
		return 0;
	count = dynamic.hash ? dynamic.hash[1] : count_gnu_hash(dynamic.gnu_hash);
	for (size_t i = 1; i < count; i++) {
		bool hidden = dynamic.versions && (dynamic.versions[i] & VERSYM_HIDDEN);
		int error = 0;

		if (dynamic.symbols[i].st_name < dynamic.strings_size)
			error = add_symbol(object, &dynamic.symbols[i], dynamic.strings, true,
					   hidden);
		if (error)
			return error;
	}
	return 0;
}

static bool in_file(const struct objects_object *object, uint64_t offset, uint64_t size)
{
	return offset <= object->file_size && size <= object->file_size - offset;
}

static const ElfW(Phdr) * first_load(const struct objects_object *object)
{
	for (size_t i = 0; i < object->phdr_count; i++)
		if (object->phdrs[i].p_type == PT_LOAD)
			return &object->phdrs[i];
	return NULL;
}

static bool is_same_file(const struct objects_object *object)
{
	const ElfW(Ehdr) *header = object->file;
	const ElfW(Phdr) *load = first_load(object);
	const void *memory;

	if (!load || load->p_offset != 0 || !in_file(object, 0, sizeof(*header)))
		return false;
	memory = (const void *)(object->base + load->p_vaddr);
	if (memcmp(memory, header, sizeof(*header)) != 0)
		return false;
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *note = &object->phdrs[i];

		if (note->p_type != PT_NOTE)
			continue;
		if (!in_file(object, note->p_offset, note->p_filesz) ||
		    memcmp((const void *)(object->base + note->p_vaddr),
			   (const char *)object->file + note->p_offset, note->p_filesz) != 0)
			return false;
	}
	return true;
}

static void close_file(struct objects_object *object)
{
	if (object->file)
		munmap(object->file, object->file_size);
	object->file = NULL;
}

static int map_file(struct objects_object *object, int fd)
{
	struct stat status;
	void *file;

	if (fstat(fd, &status))
		return -EP_IO;
	if (!S_ISREG(status.st_mode) || status.st_size <= 0)
		return 0;
	file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return -EP_NO_MEMORY;
	object->file = file;
	object->file_size = (size_t)status.st_size;
	return 0;
}

/* A file that is not there is no error; one that cannot be read just now is. */
static int open_file(struct objects_object *object)
{
	const char *path = object->is_self ? "/proc/self/exe" : object->path;
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -EP_NO_MEMORY : 0;
	error = map_file(object, fd);
	close(fd);
	if (object->file && !is_same_file(object))
		close_file(object);
	return error;
}

static const ElfW(Shdr) * sections(const struct objects_object *object, size_t *ret_count)
{
	const ElfW(Ehdr) *header = object->file;

	*ret_count = 0;
	if (header->e_shentsize != sizeof(ElfW(Shdr)) ||
	    !in_file(object, header->e_shoff, header->e_shnum * sizeof(ElfW(Shdr))))
		return NULL;
	*ret_count = header->e_shnum;
	return (const void *)((const char *)object->file + header->e_shoff);
}

static int read_symtab(struct objects_object *object, const ElfW(Shdr) * table,
		       const ElfW(Shdr) * strings)
{
	const ElfW(Sym) *symbols = (const void *)((const char *)object->file + table->sh_offset);
	const char *names = (const char *)object->file + strings->sh_offset;

	if (!in_file(object, table->sh_offset, table->sh_size) ||
	    !in_file(object, strings->sh_offset, strings->sh_size) || !strings->sh_size ||
	    names[strings->sh_size - 1])
		return 0;
	object->has_symtab = true;
	for (size_t i = 1; i < table->sh_size / sizeof(*symbols); i++) {
		int error = 0;

		if (symbols[i].st_name < strings->sh_size)
			error = add_symbol(object, &symbols[i], names, false, false);
		if (error)
			return error;
	}
	return 0;
}

/* linux/rseq.h, struct rseq_cs: each describes one critical section. */
struct rseq_cs {
	uint32_t version, flags;
	uint64_t start_ip, post_commit_offset, abort_ip;
};

static int read_rseq(struct objects_object *object, const ElfW(Shdr) * section)
{
	const struct rseq_cs *table = (const void *)(object->base + section->sh_addr);
	size_t count = section->sh_size / sizeof(*table);

	if (!section->sh_addr || object->base + section->sh_addr < object->start ||
	    object->base + section->sh_addr + section->sh_size > object->end)
		return 0;
	object->rseq = reallocarray(NULL, count + 1, sizeof(object->rseq[0]));
	if (!object->rseq)
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < count; i++) {
		object->rseq[i][0] = table[i].start_ip;
		object->rseq[i][1] = table[i].start_ip + table[i].post_commit_offset;
	}
	object->rseq_count = count;
	return 0;
}

static bool has_name(const struct objects_object *object, const ElfW(Shdr) * names,
		     const ElfW(Shdr) * section, const char *name)
{
	size_t size = strlen(name) + 1;

	return names && in_file(object, names->sh_offset, names->sh_size) &&
	       section->sh_name + size <= names->sh_size &&
	       memcmp((const char *)object->file + names->sh_offset + section->sh_name, name,
		      size) == 0;
}

static int read_section(struct objects_object *object, const ElfW(Shdr) * all, size_t count,
			size_t i)
{
	const ElfW(Ehdr) *header = object->file;
	const ElfW(Shdr) *names = header->e_shstrndx < count ? &all[header->e_shstrndx] : NULL;

	if (all[i].sh_type == SHT_SYMTAB && all[i].sh_link < count)
		return read_symtab(object, &all[i], &all[all[i].sh_link]);
	if (has_name(object, names, &all[i], "__rseq_cs"))
		return read_rseq(object, &all[i]);
	if (has_name(object, names, &all[i], "ep_trap_path")) {
		object->trap_path[0] = object->base + all[i].sh_addr;
		object->trap_path[1] = object->trap_path[0] + all[i].sh_size;
	}
	return 0;
}

int objects_read_symbols(struct objects_object *object)
{
	const ElfW(Shdr) *all = NULL;
	size_t count = 0, from_memory;
	int error = read_dynsym(object);

	if (error)
		return error;
	from_memory = object->function_count;
	error = open_file(object);
	if (object->file)
		all = sections(object, &count);
	for (size_t i = 0; all && i < count && !error; i++)
		error = read_section(object, all, count, i);
	if (object->function_count == from_memory)
		close_file(object); /* no name points into it */
	return error;
}
