/* SPDX-License-Identifier: MIT */
/*
 * A process says which files it has mapped where (objects.c); what their functions are called stands in
 * the files themselves. They are read once, when the first address in one of them is to be named, and
 * only the symbols of functions are kept, in order. A file that has changed since we began may be
 * another than the one that was mapped: of that no symbols are believed. Nothing that a file says
 * need be true.
 *
 * Few places call a function, and each does it again and again: names are kept for those last asked for.
 */
#include "trace/report/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TABLES_MAX   (1ul << 30) /* bytes of all files together: the program may lie about them */
#define SECTIONS_MAX 65536u
#define SEGMENTS_MAX 256u
#define NAMES	     4096u
#define NAME_SIZE    160

struct symbol {
	uint64_t value, size;
	const char *name;
	uint32_t rank; /* of several at one address, the lowest */
};

struct file {
	struct file *next;
	const char *path;
	Elf64_Phdr *segments;
	size_t segment_count;
	struct symbol *symbols; /* by value */
	size_t count;
};

struct name {
	const struct trace_known_object *last; /* NULL: unused */
	uint64_t address;
	bool is_exact;
	char text[NAME_SIZE];
};

struct trace_symbols {
	struct trace_session session;
	struct trace_known_objects known;
	struct trace_known_object **last; /* of each process */
	bool *unreadable;
	struct file *files;
	uint64_t left; /* of TABLES_MAX */
	struct timespec start;
	struct name names[NAMES];
};

struct trace_symbols *trace_symbols_create(const struct trace_session *session,
					   struct trace_arena *arena)
{
	const uint64_t processes = session->layout.process_max;
	struct trace_symbols *ret = calloc(1, sizeof(*ret));

	if (!ret)
		return NULL;
	ret->session = *session;
	ret->known.arena = arena;
	ret->left = TABLES_MAX;
	ret->last = calloc(processes, sizeof(struct trace_known_object *));
	ret->unreadable = calloc(processes, sizeof(bool));
	clock_gettime(CLOCK_REALTIME, &ret->start);
	if (ret->last && ret->unreadable)
		return ret;
	free(ret->last);
	free(ret->unreadable);
	free(ret);
	return NULL;
}

/* ---- files --------------------------------------------------------------------------------- */

/* A file that is read. */
struct reading {
	int fd;
	uint64_t size;
	uint64_t *left; /* bytes that may be read, of this and of all others */
};

/* @size bytes at @at, with a zero behind them; NULL: the file has not got them. */
static void *read_table(const struct reading *from, uint64_t at, uint64_t size)
{
	char *ret;

	if (at > from->size || size > from->size - at || size > *from->left)
		return NULL;
	*from->left -= size;
	ret = malloc(size + 1);
	if (ret && pread(from->fd, ret, size, (off_t)at) != (ssize_t)size) {
		free(ret);
		return NULL;
	}
	if (ret)
		ret[size] = '\0';
	return ret;
}

static const Elf64_Shdr *find_section(const Elf64_Shdr *sections, size_t count, uint32_t type)
{
	for (size_t i = 0; i < count; i++)
		if (sections[i].sh_type == type && sections[i].sh_entsize == sizeof(Elf64_Sym))
			return &sections[i];
	return NULL;
}

static bool is_function(const Elf64_Sym *symbol)
{
	unsigned int type = ELF64_ST_TYPE(symbol->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF &&
	       symbol->st_value;
}

/* malloc comes before __libc_malloc, what is seen from outside before what is not. */
static uint32_t rank_of(const Elf64_Sym *symbol, const char *name)
{
	return 2 * (ELF64_ST_BIND(symbol->st_info) == STB_LOCAL) + (name[0] == '_');
}

static int compare(const void *first, const void *second)
{
	const struct symbol *a = first, *b = second;

	if (a->value != b->value)
		return a->value < b->value ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* The strings stay: names point into them. */
static void take_symbols(struct file *file, const Elf64_Sym *table, size_t count,
			 const char *strings, uint64_t strings_size)
{
	file->symbols = malloc((count + 1) * sizeof(*file->symbols));
	if (!file->symbols)
		return;
	for (size_t i = 0; i < count; i++) {
		const char *name = strings + table[i].st_name;

		if (!is_function(&table[i]) || table[i].st_name >= strings_size || !*name)
			continue;
		file->symbols[file->count++] = (struct symbol){
			.value = table[i].st_value,
			.size = table[i].st_size,
			.name = name,
			.rank = rank_of(&table[i], name),
		};
	}
	qsort(file->symbols, file->count, sizeof(*file->symbols), compare);
}

static void read_symbols(struct file *file, const struct reading *from, const Elf64_Shdr *sections,
			 size_t count)
{
	const Elf64_Shdr *symbols = find_section(sections, count, SHT_SYMTAB), *strings;
	Elf64_Sym *table;
	char *text;

	if (!symbols)
		symbols = find_section(sections, count, SHT_DYNSYM);
	if (!symbols || symbols->sh_link >= count)
		return;
	strings = &sections[symbols->sh_link];
	table = read_table(from, symbols->sh_offset, symbols->sh_size);
	text = read_table(from, strings->sh_offset, strings->sh_size);
	if (table && text)
		take_symbols(file, table, symbols->sh_size / sizeof(*table), text,
			     strings->sh_size);
	free(table);
	if (!file->count)
		free(text);
}

static void read_elf(struct file *file, const struct reading *from)
{
	Elf64_Ehdr *header = read_table(from, 0, sizeof(*header));
	Elf64_Shdr *sections = NULL;

	if (header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	    header->e_ident[EI_CLASS] == ELFCLASS64 &&
	    header->e_phentsize == sizeof(*file->segments) && header->e_phnum <= SEGMENTS_MAX) {
		file->segments = read_table(from, header->e_phoff,
					    header->e_phnum * sizeof(*file->segments));
		file->segment_count = file->segments ? header->e_phnum : 0;
	}
	if (file->segments && header->e_shentsize == sizeof(*sections))
		sections = read_table(from, header->e_shoff, header->e_shnum * sizeof(*sections));
	if (sections)
		read_symbols(file, from, sections, header->e_shnum);
	free(sections);
	free(header);
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* What to open a device does is not for a program to choose, which says what it has mapped. */
static bool is_file(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static void read_file(struct trace_symbols *symbols, struct file *file)
{
	int fd = is_file(file->path)
			 ? open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
			 : -1;
	struct stat status;

	if (fd < 0)
		return;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    is_older(&status.st_ctim, &symbols->start)) {
		const struct reading from = {fd, (uint64_t)status.st_size, &symbols->left};

		read_elf(file, &from);
	}
	close(fd);
}

/* NULL: there is no memory. */
static struct file *file_of(struct trace_symbols *symbols, struct trace_known_object *object)
{
	struct file *file = object->file ? object->file : symbols->files;

	while (file && strcmp(file->path, object->object.path) != 0)
		file = file->next;
	if (!file) {
		file = calloc(1, sizeof(*file));
		if (!file)
			return NULL;
		file->path = object->object.path;
		read_file(symbols, file);
		file->next = symbols->files;
		symbols->files = file;
	}
	object->file = file;
	return file;
}

/* ---- addresses ----------------------------------------------------------------------------- */

/* Where an offset in the file is, in the addresses of its symbols; 0: nowhere. */
static uint64_t value_of(const struct file *file, uint64_t offset)
{
	for (size_t i = 0; i < file->segment_count; i++) {
		const Elf64_Phdr *segment = &file->segments[i];

		if (segment->p_type == PT_LOAD && offset >= segment->p_offset &&
		    offset - segment->p_offset < segment->p_filesz)
			return segment->p_vaddr + (offset - segment->p_offset);
	}
	return 0;
}

/* The last that begins at or before @value, if it is that long; of several the first. */
static const struct symbol *find_symbol(const struct file *file, uint64_t value)
{
	size_t low = 0, high = file->count;
	const struct symbol *ret;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (file->symbols[middle].value <= value)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	for (ret = &file->symbols[low - 1]; ret > file->symbols && ret[-1].value == ret->value;)
		ret--;
	return !ret->size || value - ret->value < ret->size ? ret : NULL;
}

/* "libc.so.6" of a path, and of one that is deleted meanwhile. */
static int basename_of(const char *path, const char **ret)
{
	static const char deleted[] = " (deleted)";
	const char *slash = strrchr(path, '/');
	size_t length;

	*ret = slash ? slash + 1 : path;
	length = strlen(*ret);
	if (length > sizeof(deleted) && strcmp(*ret + length - (sizeof(deleted) - 1), deleted) == 0)
		length -= sizeof(deleted) - 1;
	return (int)length;
}

/* The call is in front of where it returns to: that may be another function, if it never should. */
static void look_up(struct trace_symbols *symbols, struct trace_known_object *object,
		    uint64_t address, bool is_return, struct trace_symbol *ret)
{
	uint64_t offset = address - object->object.start + object->object.offset, value;
	struct file *file = file_of(symbols, object);
	const struct symbol *symbol = NULL;

	ret->object_length = basename_of(object->object.path, &ret->object);
	value = file ? value_of(file, offset - is_return) : 0;
	if (value)
		symbol = find_symbol(file, value);
	ret->function = symbol ? symbol->name : NULL;
	ret->offset = symbol ? value + is_return - symbol->value : offset;
}

static void write_name(struct trace_symbols *symbols, struct trace_known_object *object,
		       uint64_t address, bool is_exact, char *ret, size_t size)
{
	struct trace_symbol symbol;

	look_up(symbols, object, address, !is_exact, &symbol);
	if (!symbol.function)
		snprintf(ret, size, "%.*s:0x%lx", symbol.object_length, symbol.object,
			 (unsigned long)symbol.offset);
	else if (is_exact && !symbol.offset)
		snprintf(ret, size, "%.*s:%s", symbol.object_length, symbol.object,
			 symbol.function);
	else
		snprintf(ret, size, "%.*s:%s+0x%lx", symbol.object_length, symbol.object,
			 symbol.function, (unsigned long)symbol.offset);
}

/* The last object that a process has published; NULL: none, or nonsense. */
static struct trace_known_object *last_of(struct trace_symbols *symbols, uint32_t index)
{
	const struct trace_process *process = trace_session_process(&symbols->session, index);

	if (!process || symbols->unreadable[index])
		return NULL;
	if (!symbols->last[index] || symbols->last[index]->at != atomic_load(&process->objects))
		symbols->unreadable[index] = trace_objects_read(&symbols->known, &symbols->session,
								process, &symbols->last[index]);
	return symbols->unreadable[index] ? NULL : symbols->last[index];
}

static struct name *name_of(struct trace_symbols *symbols, uint64_t address)
{
	return &symbols->names[(address ^ address >> 12) % NAMES];
}

bool trace_symbols_name(struct trace_symbols *symbols, uint32_t process, uint64_t address,
			bool is_exact, uint64_t time, char *ret, size_t size)
{
	struct trace_known_object *last = last_of(symbols, process), *object;
	struct name *name = name_of(symbols, address);

	if (!last)
		return false;
	/* What has been published since is not what the event means. */
	if (last->object.time > time || name->last != last || name->address != address ||
	    name->is_exact != is_exact) {
		object = trace_objects_find(last, address - !is_exact, time);
		if (!object)
			return false;
		*name = (struct name){.last = last->object.time > time ? NULL : last,
				      .address = address,
				      .is_exact = is_exact};
		write_name(symbols, object, address, is_exact, name->text, sizeof(name->text));
	}
	snprintf(ret, size, "%s", name->text);
	return true;
}

bool trace_symbols_find(struct trace_symbols *symbols, uint32_t process, uint64_t address,
			bool is_return, uint64_t time, struct trace_symbol *ret)
{
	struct trace_known_object *last = last_of(symbols, process);
	struct trace_known_object *object =
		last ? trace_objects_find(last, address - is_return, time) : NULL;

	if (object)
		look_up(symbols, object, address, is_return, ret);
	return object;
}
