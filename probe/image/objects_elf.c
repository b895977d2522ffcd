/* SPDX-License-Identifier: MIT */
/*
 * What the loader itself works with: the dynamic section, and through it .dynsym. It is in the loaded
 * object's memory, and so is always the right one, but nothing that it says need be true: tables are
 * copied as far as their segment goes, and read there.
 */
#include <stdlib.h>
#include <string.h>

#include "include/emuprobe.h"
#include "probe/image/objects_piece.h"
#include "sys/copy.h"

#define VERSYM_HIDDEN	0x8000u
#define VERSIONS_MAX	(1u << 20) /* bytes of their definitions: of libc's 37 there are 1,500 */
#define VERSION_NAME	256u
#define DYNAMIC_MAX	65536u /* bytes: of its entries there are some dozens of kinds */
#define SONAME_MAX	4096u
#define SYMBOL_NAME_MAX 4096u
#define HASH_CHUNK	4096u
#define GNU_HASH_HEADER 16u

struct dynamic {
	uint64_t symbols, strings, gnu_hash, hash, versions; /* addresses; 0: none */
	uint64_t soname;
	uint64_t strings_size;
	uint64_t defined_versions;
	struct {
		uint64_t address, size;
	} relocations[2]; /* of data, and of calls */
};

static const ElfW(Phdr) * find_dynamic(const struct objects_object *object)
{
	for (size_t i = 0; i < object->phdr_count; i++)
		if (object->phdrs[i].p_type == PT_DYNAMIC)
			return &object->phdrs[i];
	return NULL;
}

/* The loader has relocated these pointers for most objects, not for the vDSO. */
static uint64_t address_of(const struct objects_object *object, uint64_t value)
{
	return value < object->start ? value + object->base : value;
}

static void take_entry(const struct objects_object *object, const ElfW(Dyn) * entry,
		       struct dynamic *ret)
{
	uint64_t value = entry->d_un.d_val;
	int64_t tag = entry->d_tag;

	if (tag == DT_SYMTAB)
		ret->symbols = address_of(object, value);
	else if (tag == DT_STRTAB)
		ret->strings = address_of(object, value);
	else if (tag == DT_STRSZ)
		ret->strings_size = value;
	else if (tag == DT_GNU_HASH)
		ret->gnu_hash = address_of(object, value);
	else if (tag == DT_HASH)
		ret->hash = address_of(object, value);
	else if (tag == DT_VERSYM)
		ret->versions = address_of(object, value);
	else if (tag == DT_VERDEF)
		ret->defined_versions = address_of(object, value);
	else if (tag == DT_SONAME)
		ret->soname = value;
	else if (tag == DT_RELA)
		ret->relocations[0].address = address_of(object, value);
	else if (tag == DT_RELASZ)
		ret->relocations[0].size = value;
	else if (tag == DT_JMPREL)
		ret->relocations[1].address = address_of(object, value);
	else if (tag == DT_PLTRELSZ)
		ret->relocations[1].size = value;
}

/* @ret->symbols: 0 where there are none, or no names of them. */
static int read_dynamic(const struct objects_object *object, struct dynamic *ret)
{
	const ElfW(Phdr) *phdr = find_dynamic(object);
	struct objects_piece piece;
	struct cursor cursor;
	int error;

	*ret = (struct dynamic){.soname = UINT64_MAX};
	if (!phdr)
		return 0;
	error = objects_piece_of_memory(object, object->base + phdr->p_vaddr,
					phdr->p_memsz < DYNAMIC_MAX ? phdr->p_memsz : DYNAMIC_MAX,
					&piece);
	cursor = objects_piece_cursor(&piece);
	while (cursor_left(&cursor)) {
		ElfW(Dyn) entry;

		cursor_copy(&cursor, &entry, sizeof(entry)); /* zeroes are DT_NULL */
		if (entry.d_tag == DT_NULL)
			break;
		take_entry(object, &entry, ret);
	}
	objects_piece_free(&piece);
	if (!ret->strings)
		ret->symbols = 0;
	return error;
}

int objects_read_soname(struct objects_object *object)
{
	struct objects_piece piece;
	struct dynamic dynamic;
	int error = object->is_executable ? 0 : read_dynamic(object, &dynamic);
	char *name = NULL;

	if (object->is_executable || error || !dynamic.symbols ||
	    dynamic.soname >= dynamic.strings_size)
		return error;
	error = objects_piece_of_memory(object, dynamic.strings + dynamic.soname, SONAME_MAX,
					&piece);
	if (error || !piece.size)
		return error;
	name = strdup((const char *)piece.bytes);
	objects_piece_free(&piece);
	if (!name)
		return -EP_NO_MEMORY;
	free((char *)object->name);
	object->name = name;
	return 0;
}

/* ---- how many symbols there are -------------------------------------------------------------- */

static uint32_t last_of(struct cursor buckets)
{
	uint32_t ret = 0;

	while (cursor_left(&buckets)) {
		uint32_t first = cursor_u32(&buckets);

		if (first > ret)
			ret = first;
	}
	return ret;
}

/* Where the chain ends that begins at @address; *ret_length: of its entries. */
static int follow_chain(const struct objects_object *object, uint64_t address, uint64_t *ret_length)
{
	*ret_length = 0;
	for (;;) {
		struct objects_piece piece;
		int error = objects_piece_of_memory(object, address + 4 * *ret_length, HASH_CHUNK,
						    &piece);
		struct cursor cursor = objects_piece_cursor(&piece);
		bool ended = cursor_left(&cursor) < sizeof(uint32_t);

		while (!ended && cursor_left(&cursor) >= sizeof(uint32_t)) {
			++*ret_length;
			ended = cursor_u32(&cursor) & 1;
		}
		objects_piece_free(&piece);
		if (error || ended)
			return error;
	}
}

/* DT_GNU_HASH does not say how many symbols there are: the last chain's end does. */
static int count_gnu_hash(const struct objects_object *object, uint64_t hash, uint64_t *ret)
{
	struct objects_piece header, buckets;
	struct cursor cursor;
	uint32_t bucket_count, first, bloom_words, last;
	uint64_t at = hash + GNU_HASH_HEADER, length = 0;
	int error = objects_piece_of_memory(object, hash, GNU_HASH_HEADER, &header);

	cursor = objects_piece_cursor(&header);
	bucket_count = cursor_u32(&cursor);
	first = cursor_u32(&cursor);
	bloom_words = cursor_u32(&cursor);
	objects_piece_free(&header);
	if (error || cursor.failed)
		return error;
	at += bloom_words * 8ul;
	error = objects_piece_of_memory(object, at, bucket_count * 4ul, &buckets);
	last = last_of(objects_piece_cursor(&buckets));
	objects_piece_free(&buckets);
	*ret = first;
	if (error || last < first)
		return error;
	error = follow_chain(object, at + bucket_count * 4ul + (last - first) * 4ul, &length);
	*ret = last + length;
	return error;
}

static int count_hash(const struct objects_object *object, uint64_t hash, uint64_t *ret)
{
	struct objects_piece header;
	int error = objects_piece_of_memory(object, hash, 2 * sizeof(uint32_t), &header);
	struct cursor cursor = objects_piece_cursor(&header);

	cursor_u32(&cursor); /* buckets */
	*ret = cursor_u32(&cursor);
	objects_piece_free(&header);
	return error;
}

static int count_symbols(const struct objects_object *object, const struct dynamic *dynamic,
			 uint64_t *ret)
{
	*ret = 0;
	if (dynamic->hash)
		return count_hash(object, dynamic->hash, ret);
	return dynamic->gnu_hash ? count_gnu_hash(object, dynamic->gnu_hash, ret) : 0;
}

/* ---- symbols --------------------------------------------------------------------------------- */

static bool is_function(const ElfW(Sym) * symbol)
{
	unsigned int type = ELF64_ST_TYPE(symbol->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF &&
	       symbol->st_value;
}

static void compare_wanted(struct objects_object *object, const ElfW(Sym) * symbol,
			   const char *name)
{
	unsigned int type = ELF64_ST_TYPE(symbol->st_info);

	if ((type == STT_OBJECT || type == STT_COMMON || type == STT_NOTYPE || type == STT_FUNC) &&
	    symbol->st_shndx != SHN_UNDEF && symbol->st_value && name &&
	    strcmp(name, object->wanted) == 0)
		object->wanted_address = object->base + symbol->st_value;
}

static int add_symbol(struct objects_object *object, const ElfW(Sym) * symbol, const char *name,
		      bool exported, uint16_t version)
{
	bool is_ifunc = ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC;
	struct objects_function function = {
		.start = object->base + symbol->st_value,
		.end = object->base + symbol->st_value + symbol->st_size,
		.name = name,
		.kind = is_ifunc ? OBJECTS_IFUNC : OBJECTS_FUNC,
		.exported = exported,
		.hidden_version = version & VERSYM_HIDDEN,
		.version = version & (VERSYM_HIDDEN - 1),
		.weak = ELF64_ST_BIND(symbol->st_info) == STB_WEAK,
	};

	if (object->wanted) {
		compare_wanted(object, symbol, name);
		return 0;
	}
	return is_function(symbol) && name && *name ? objects_add(object, &function) : 0;
}

int objects_add_symbols(struct objects_object *object, struct cursor symbols,
			struct cursor versions, const struct objects_piece *strings, bool exported)
{
	int error = 0;

	while (cursor_left(&symbols) && !error) {
		uint16_t version = cursor_u16(&versions);
		ElfW(Sym) symbol;

		cursor_copy(&symbols, &symbol, sizeof(symbol));
		error = add_symbol(object, &symbol, objects_piece_string(strings, symbol.st_name),
				   exported, version);
	}
	return error;
}

static int add_dynamic_symbols(struct objects_object *object, const struct dynamic *dynamic,
			       uint64_t count, const struct objects_piece *strings)
{
	struct objects_piece symbols, versions = {0};
	int error = objects_piece_of_memory(object, dynamic->symbols, count * sizeof(ElfW(Sym)),
					    &symbols);

	if (!error && dynamic->versions)
		error = objects_piece_of_memory(object, dynamic->versions,
						count * sizeof(ElfW(Half)), &versions);
	if (!error)
		error = objects_add_symbols(object, objects_piece_cursor(&symbols),
					    objects_piece_cursor(&versions), strings, true);
	objects_piece_free(&symbols);
	objects_piece_free(&versions);
	return error;
}

int objects_read_dynsym(struct objects_object *object)
{
	struct objects_piece strings;
	struct dynamic dynamic;
	uint64_t count = 0;
	int error = read_dynamic(object, &dynamic);

	if (error || !dynamic.symbols)
		return error;
	error = count_symbols(object, &dynamic, &count);
	if (error || !count)
		return error;
	error = objects_piece_of_memory(object, dynamic.strings, dynamic.strings_size, &strings);
	object->names[0] = (char *)strings.bytes;
	return error ? error : add_dynamic_symbols(object, &dynamic, count, &strings);
}

/* ---- resolvers ------------------------------------------------------------------------------- */

static int add_resolver(struct objects_object *object, uint64_t address)
{
	size_t count = object->resolver_count;
	uint64_t *grown;

	if (!objects_code_end(object, address))
		return 0;
	if ((count & (count - 1)) == 0) {
		grown = reallocarray(object->resolvers, count ? 2 * count : 1, sizeof(*grown));
		if (!grown)
			return -EP_NO_MEMORY;
		object->resolvers = grown;
	}
	object->resolvers[object->resolver_count++] = address;
	return 0;
}

static int read_relocations(struct objects_object *object, uint64_t address, uint64_t size)
{
	struct objects_piece piece;
	struct cursor cursor;
	int error = objects_piece_of_memory(object, address, size, &piece);

	cursor = objects_piece_cursor(&piece);
	while (!error && cursor_left(&cursor)) {
		ElfW(Rela) one;

		cursor_copy(&cursor, &one, sizeof(one));
		if (ELF64_R_TYPE(one.r_info) == R_X86_64_IRELATIVE)
			error = add_resolver(object, object->base + (uint64_t)one.r_addend);
	}
	objects_piece_free(&piece);
	return error;
}

int objects_read_resolvers(struct objects_object *object)
{
	struct dynamic dynamic;
	int error = read_dynamic(object, &dynamic);

	for (int i = 0; i < 2 && !error; i++)
		error = read_relocations(object, dynamic.relocations[i].address,
					 dynamic.relocations[i].size);
	return error;
}

/* ---- what is bound later --------------------------------------------------------------------- */

/* The index of the symbol; 0: there is no such relocation. */
static int find_slot(const struct objects_object *object, const struct dynamic *dynamic,
		     uint64_t slot, uint64_t *ret)
{
	struct objects_piece piece;
	struct cursor cursor;
	int error = objects_piece_of_memory(object, dynamic->relocations[1].address,
					    dynamic->relocations[1].size, &piece);

	*ret = 0;
	cursor = objects_piece_cursor(&piece);
	while (!error && !*ret && cursor_left(&cursor)) {
		ElfW(Rela) one;

		cursor_copy(&cursor, &one, sizeof(one));
		if (ELF64_R_TYPE(one.r_info) == R_X86_64_JUMP_SLOT &&
		    object->base + one.r_offset == slot)
			*ret = ELF64_R_SYM(one.r_info);
	}
	objects_piece_free(&piece);
	return error;
}

static int read_symbol(const struct objects_object *object, const struct dynamic *dynamic,
		       uint64_t index, ElfW(Sym) * ret)
{
	struct objects_piece piece;
	struct cursor cursor;
	int error = objects_piece_of_memory(object, dynamic->symbols + index * sizeof(*ret),
					    sizeof(*ret), &piece);

	cursor = objects_piece_cursor(&piece);
	cursor_copy(&cursor, ret, sizeof(*ret)); /* zeroes have no name */
	objects_piece_free(&piece);
	return error;
}

int objects_read_slot(const struct objects_object *object, uint64_t slot, struct objects_piece *ret)
{
	struct dynamic dynamic;
	uint64_t index = 0;
	ElfW(Sym) symbol;
	int error = read_dynamic(object, &dynamic);

	*ret = (struct objects_piece){0};
	if (!error && dynamic.symbols)
		error = find_slot(object, &dynamic, slot, &index);
	if (error || !index)
		return error;
	error = read_symbol(object, &dynamic, index, &symbol);
	if (error || !symbol.st_name || symbol.st_name >= dynamic.strings_size)
		return error;
	return objects_piece_of_memory(object, dynamic.strings + symbol.st_name, SYMBOL_NAME_MAX,
				       ret);
}

/* ---- what is imported ------------------------------------------------------------------------ */

struct imports {
	struct objects_object *object;
	struct objects_piece relocations[2], symbols, strings;
};

static bool is_import(const ElfW(Rela) * relocation)
{
	uint64_t type = ELF64_R_TYPE(relocation->r_info);

	return ELF64_R_SYM(relocation->r_info) &&
	       (type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT || type == R_X86_64_64);
}

/* A pointer to what another object has. It need not be a function. */
static int add_import(struct imports *imports, const ElfW(Rela) * relocation)
{
	struct objects_object *object = imports->object;
	struct cursor symbols = objects_piece_cursor(&imports->symbols);
	size_t count = object->import_count;
	struct objects_import *grown, one = {0};
	const char *name;
	ElfW(Sym) symbol;

	cursor_skip(&symbols, ELF64_R_SYM(relocation->r_info) * sizeof(symbol));
	cursor_copy(&symbols, &symbol, sizeof(symbol)); /* zeroes have no name */
	name = objects_piece_string(&imports->strings, symbol.st_name);
	if (symbol.st_shndx != SHN_UNDEF || !name || !*name ||
	    !sys_copy_all(object->base + relocation->r_offset, &one.value, sizeof(one.value)))
		return 0;
	one.name = strdup(name);
	if ((count & (count - 1)) == 0) {
		grown = reallocarray(object->imports, count ? 2 * count : 1, sizeof(*grown));
		object->imports = grown ? grown : object->imports;
	} else {
		grown = object->imports;
	}
	if (!grown || !one.name) {
		free(one.name);
		return -EP_NO_MEMORY;
	}
	object->imports[object->import_count++] = one;
	return 0;
}

static int add_imports(struct imports *imports)
{
	int error = 0;

	for (int i = 0; i < 2; i++) {
		struct cursor cursor = objects_piece_cursor(&imports->relocations[i]);

		while (!error && cursor_left(&cursor)) {
			ElfW(Rela) one;

			cursor_copy(&cursor, &one, sizeof(one));
			if (is_import(&one))
				error = add_import(imports, &one);
		}
	}
	return error;
}

/* So many symbols are looked at. */
static uint64_t last_symbol(const struct imports *imports)
{
	uint64_t ret = 0;

	for (int i = 0; i < 2; i++) {
		struct cursor cursor = objects_piece_cursor(&imports->relocations[i]);

		while (cursor_left(&cursor)) {
			ElfW(Rela) one;

			cursor_copy(&cursor, &one, sizeof(one));
			if (is_import(&one) && ELF64_R_SYM(one.r_info) >= ret)
				ret = ELF64_R_SYM(one.r_info) + 1;
		}
	}
	return ret;
}

int objects_read_imports(struct objects_object *object)
{
	struct imports imports = {.object = object};
	struct dynamic dynamic;
	int error = object->imports_read ? 0 : read_dynamic(object, &dynamic);

	if (object->imports_read || error || !dynamic.symbols)
		return error;
	object->imports_read = true;
	for (int i = 0; i < 2 && !error; i++)
		error = objects_piece_of_memory(object, dynamic.relocations[i].address,
						dynamic.relocations[i].size,
						&imports.relocations[i]);
	if (!error)
		error = objects_piece_of_memory(object, dynamic.strings, dynamic.strings_size,
						&imports.strings);
	if (!error)
		error = objects_piece_of_memory(object, dynamic.symbols,
						last_symbol(&imports) * sizeof(ElfW(Sym)),
						&imports.symbols);
	if (!error)
		error = add_imports(&imports);
	for (int i = 0; i < 2; i++)
		objects_piece_free(&imports.relocations[i]);
	objects_piece_free(&imports.symbols);
	objects_piece_free(&imports.strings);
	return error;
}

/* ---- versions ------------------------------------------------------------------------------ */

/* @index: a number of 15 bits. */
static int add_version(struct objects_object *object, size_t index, const char *name)
{
	size_t count = index + 1;
	char **grown;

	if (index < object->version_count && object->versions[index])
		return 0;
	if (count > object->version_count) {
		grown = reallocarray(object->versions, count, sizeof(*grown));
		if (!grown)
			return -EP_NO_MEMORY;
		memset(grown + object->version_count, 0,
		       (count - object->version_count) * sizeof(*grown));
		object->versions = grown;
		object->version_count = count;
	}
	object->versions[index] = strdup(name);
	return object->versions[index] ? 0 : -EP_NO_MEMORY;
}

/* The name that one of the definitions begins its list of names with: its own. */
static const char *name_of_version(struct cursor definition, uint32_t aux,
				   const struct objects_piece *strings)
{
	const char *name;

	cursor_skip(&definition, aux);
	name = objects_piece_string(strings, cursor_u32(&definition));
	return !definition.failed && name && strnlen(name, VERSION_NAME) < VERSION_NAME ? name
											: NULL;
}

/* Each says how far the next one is behind it. */
static int add_versions(struct objects_object *object, struct cursor cursor,
			const struct objects_piece *strings)
{
	uint32_t next = sizeof(ElfW(Verdef));
	int error = 0;

	while (next >= sizeof(ElfW(Verdef)) && !error) {
		struct cursor at = cursor;
		ElfW(Verdef) definition;
		const char *name;

		cursor_copy(&at, &definition, sizeof(definition));
		name = name_of_version(cursor, definition.vd_aux, strings);
		if (at.failed)
			break;
		if (name && !(definition.vd_flags & VER_FLG_BASE))
			error = add_version(object, definition.vd_ndx & (VERSYM_HIDDEN - 1), name);
		next = definition.vd_next;
		cursor_skip(&cursor, next);
	}
	return error;
}

int objects_read_versions(struct objects_object *object)
{
	struct objects_piece strings = {0}, definitions = {0};
	struct dynamic dynamic;
	int error = object->versions_read ? 0 : read_dynamic(object, &dynamic);

	if (object->versions_read || error)
		return error;
	if (dynamic.defined_versions && dynamic.strings)
		error = objects_piece_of_memory(object, dynamic.defined_versions, VERSIONS_MAX,
						&definitions);
	if (!error && definitions.bytes)
		error = objects_piece_of_memory(object, dynamic.strings, dynamic.strings_size,
						&strings);
	if (!error)
		error = add_versions(object, objects_piece_cursor(&definitions), &strings);
	objects_piece_free(&strings);
	objects_piece_free(&definitions);
	object->versions_read = !error;
	return error;
}

const char *objects_version(const struct objects_object *object,
			    const struct objects_function *function)
{
	return function->version < object->version_count ? object->versions[function->version]
							 : NULL;
}

/* ---- what it needs ------------------------------------------------------------------------- */

static bool is_need(int64_t tag, enum ep_need *ret)
{
	*ret = tag == DT_NEEDED ? EP_NEED_OBJECT : EP_NEED_FOLDERS;
	return tag == DT_NEEDED || tag == DT_RPATH || tag == DT_RUNPATH;
}

static void visit_needs(struct cursor cursor, const struct objects_piece *strings,
			void (*visit)(enum ep_need what, const char *name, void *data), void *data)
{
	while (cursor_left(&cursor)) {
		enum ep_need what;
		ElfW(Dyn) entry;
		const char *name;

		cursor_copy(&cursor, &entry, sizeof(entry));
		if (entry.d_tag == DT_NULL)
			break;
		if (!is_need(entry.d_tag, &what))
			continue;
		name = objects_piece_string(strings, entry.d_un.d_val);
		if (name && *name)
			visit(what, name, data);
	}
}

int objects_read_needs(const struct objects_object *object,
		       void (*visit)(enum ep_need what, const char *name, void *data), void *data)
{
	const ElfW(Phdr) *phdr = find_dynamic(object);
	struct objects_piece strings = {0}, entries = {0};
	struct dynamic dynamic;
	int error = read_dynamic(object, &dynamic);

	if (error || !phdr || !dynamic.strings)
		return error;
	error = objects_piece_of_memory(object, dynamic.strings, dynamic.strings_size, &strings);
	if (!error)
		error = objects_piece_of_memory(
			object, object->base + phdr->p_vaddr,
			phdr->p_memsz < DYNAMIC_MAX ? phdr->p_memsz : DYNAMIC_MAX, &entries);
	if (!error)
		visit_needs(objects_piece_cursor(&entries), &strings, visit, data);
	objects_piece_free(&strings);
	objects_piece_free(&entries);
	return error;
}
