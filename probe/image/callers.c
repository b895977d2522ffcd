/* SPDX-License-Identifier: MIT */
/*
 * Unwind information is read where it lies, in the objects: each has a sorted table of its FDEs, and
 * a copy of those of a whole process would take megabytes. What is ours is a list of where there is
 * code, and which table belongs to it. All else may change while it is read, since objects are
 * unloaded whenever the program likes, and may be a lie: it is read by accesses that may fault, and
 * only inside of the object's extent.
 *
 * The list is replaced as a whole. There are two, of which one is in force and the other is filled
 * next: nobody waits for readers, who look afterwards whether theirs was filled anew meanwhile.
 *
 *	version         5        6        7
 *	list 1       in force |        | filled: who still reads 5 starts again
 *	list 0                | in force
 */
#include "probe/image/callers.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "probe/image/objects.h"
#include "probe/image/objects_fde.h"
#include "sys/memory.h"

#define TRIES	    3  /* two lists are filled while one is searched: once is rare */
#define LETTERS_MAX 8  /* of an augmentation string */
#define LEB128_MAX  10 /* bytes of a number of 64 bits */

/* Code, and what its object says about it. */
struct code {
	_Atomic uint64_t start, end;
	_Atomic uint64_t table, count; /* pairs of start and FDE, relative to header */
	_Atomic uint64_t header;
	_Atomic uint64_t object_start, object_end;
};

struct list {
	struct list *old; /* smaller ones: readers may be in them */
	size_t room;
	_Atomic size_t count; /* never more than there is room for, so that any value will do */
	struct code codes[];
};

static struct list *_Atomic lists[2];
static _Atomic uint64_t in_force, filled; /* versions */
static bool started;

/* ---- reading what may not be there --------------------------------------------------------- */

/* From @at, and not further than @end. What fails once reads zeroes. */
struct reader {
	uint64_t at, end;
	bool failed;
};

EP_TRAP_PATH static uint64_t take(struct reader *reader, unsigned int size)
{
	uint64_t at = reader->at, ret64 = 0;
	uint32_t ret32 = 0;
	uint16_t ret16 = 0;
	uint8_t ret8 = 0;

	if (reader->failed || at > reader->end || reader->end - at < size ||
	    !(size == 8	  ? sys_load_uint64_t(at, &ret64)
	      : size == 4 ? sys_load_uint32_t(at, &ret32)
	      : size == 2 ? sys_load_uint16_t(at, &ret16)
			  : sys_load_uint8_t(at, &ret8))) {
		reader->failed = true;
		return 0;
	}
	reader->at += size;
	return ret64 | ret32 | ret16 | ret8;
}

EP_TRAP_PATH static void skip_leb128(struct reader *reader)
{
	for (int i = 0; i < LEB128_MAX; i++)
		if (!(take(reader, 1) & 0x80))
			return;
	reader->failed = true;
}

/* 0: not of a fixed size. */
EP_TRAP_PATH static unsigned int size_of_encoded(uint8_t encoding)
{
	static const uint8_t sizes[PE_SIZE + 1] = {8, 0, 2, 4, 8, 0, 0, 0};

	return sizes[encoding & PE_SIZE];
}

EP_TRAP_PATH static uint64_t take_encoded(struct reader *reader, uint8_t encoding)
{
	unsigned int size = size_of_encoded(encoding);
	uint64_t at = reader->at, value;

	if (!size || (encoding & PE_INDIRECT) || (encoding & PE_RELATIVE) > PE_PCREL)
		reader->failed = true;
	value = take(reader, size);
	if ((encoding & PE_SIGNED) && size && size < 8 && value >> (8 * size - 1))
		value |= -1ul << (8 * size);
	return (encoding & PE_RELATIVE) == PE_PCREL ? at + value : value;
}

/* ---- records (LSB Core, "Exception Frames") ------------------------------------------------ */

/* What stands behind the length of the record at @address. */
EP_TRAP_PATH static struct reader enter(const struct code *code, uint64_t address)
{
	struct reader ret = {address, code->object_end, address < code->object_start};
	uint64_t length = take(&ret, sizeof(uint32_t));

	if (length == 0 || length == OBJECTS_LENGTH_LONG || length > ret.end - ret.at)
		ret.failed = true;
	ret.end = ret.at + length;
	return ret;
}

/* What the @letters announce, up to that of how addresses are written. */
EP_TRAP_PATH static uint8_t take_encoding(struct reader *cie, struct reader letters)
{
	for (;;) {
		uint64_t letter = take(&letters, 1);

		if (letter == 'R')
			return (uint8_t)take(cie, 1);
		if (letter == 'L')
			take(cie, 1);
		else if (letter == 'P')
			take(cie, size_of_encoded((uint8_t)take(cie, 1)));
		else if (letter != 'S')
			return PE_ABSPTR;
	}
}

/* How addresses are written in FDEs of a CIE. */
EP_TRAP_PATH static bool read_encoding(struct reader cie, uint8_t *ret)
{
	struct reader letters;
	uint64_t version;
	int count = 0;

	if (take(&cie, sizeof(uint32_t)) != 0)
		cie.failed = true; /* it is an FDE */
	version = take(&cie, 1);
	letters = cie;
	while (take(&cie, 1) && count < LETTERS_MAX)
		count++;
	*ret = PE_ABSPTR;
	if (count == 0)
		return !cie.failed;
	if (take(&letters, 1) != 'z' || count == LETTERS_MAX)
		return false;
	skip_leb128(&cie); /* alignment of code, of data */
	skip_leb128(&cie);
	if (version == 1)
		take(&cie, 1); /* the return address's column */
	else
		skip_leb128(&cie);
	skip_leb128(&cie); /* the size of what follows */
	letters.end = letters.at + LETTERS_MAX;
	*ret = take_encoding(&cie, letters);
	return !cie.failed && !letters.failed;
}

EP_TRAP_PATH static bool covers(const struct code *code, uint64_t fde, uint64_t address)
{
	struct reader reader = enter(code, fde);
	uint64_t cie = reader.at, start, size;
	uint8_t encoding;

	cie -= take(&reader, sizeof(uint32_t));
	if (reader.failed || !read_encoding(enter(code, cie), &encoding))
		return false;
	start = take_encoded(&reader, encoding);
	size = take_encoded(&reader, encoding & PE_FORMAT & ~PE_SIGNED);
	return !reader.failed && address - start < size;
}

/* ---- searching ----------------------------------------------------------------------------- */

/* A number of the table, as an address; 0: it cannot be read. */
EP_TRAP_PATH static uint64_t number_of(const struct code *code, uint64_t at)
{
	uint32_t ret;

	return sys_load_uint32_t(at, &ret) ? code->header + (uint64_t)(int64_t)(int32_t)ret : 0;
}

/* The last FDE that starts at or below @address; 0: none. */
EP_TRAP_PATH static uint64_t find_fde(const struct code *code, uint64_t address)
{
	uint64_t table = code->table, low = 0, high = code->count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (number_of(code, table + middle * 8) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? number_of(code, table + low * 8 - 4) : 0;
}

EP_TRAP_PATH static const struct code *find_code(const struct list *list, uint64_t address)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->codes[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < list->codes[low - 1].end ? &list->codes[low - 1] : NULL;
}

EP_TRAP_PATH static bool search(const struct list *list, uint64_t address)
{
	const struct code *code = list ? find_code(list, address) : NULL;
	uint64_t fde = code ? find_fde(code, address) : 0;

	return fde && covers(code, fde, address);
}

EP_TRAP_PATH bool callers_can_be_unwound(uint64_t address)
{
	for (int i = 0; i < TRIES; i++) {
		uint64_t version = in_force;
		bool ret = search(lists[version & 1], address - 1);

		atomic_thread_fence(memory_order_acquire);
		if (filled < version + 2)
			return ret;
	}
	return false;
}

/* ---- filling ------------------------------------------------------------------------------- */

static struct list *list_with_room(struct list *old, size_t room)
{
	struct list *ret = old;

	if (old && old->room >= room)
		return old;
	room *= 2; /* at least doubled each time: all old ones together are less than the newest */
	ret = calloc(1, sizeof(*ret) + room * sizeof(ret->codes[0]));
	if (!ret)
		return NULL;
	ret->old = old;
	ret->room = room;
	return ret;
}

static bool is_code(const ElfW(Phdr) * phdr)
{
	return phdr->p_type == PT_LOAD && (phdr->p_flags & PF_X);
}

/* Behind all that start below it. */
static void insert(struct list *list, const struct objects_object *object, const ElfW(Phdr) * phdr,
		   const struct objects_header *header)
{
	uint64_t start = object->base + phdr->p_vaddr;
	size_t at = list->count++;

	for (; at > 0 && list->codes[at - 1].start > start; at--)
		list->codes[at] = list->codes[at - 1];
	list->codes[at].start = start;
	list->codes[at].end = start + phdr->p_filesz;
	list->codes[at].header = header->address;
	list->codes[at].table = header->address + OBJECTS_HEADER_SIZE;
	list->codes[at].count = header->count;
	list->codes[at].object_start = object->start;
	list->codes[at].object_end = object->end;
}

/* Its table lies in it as a whole, or else not at all. */
static bool has_table(const struct objects_object *object, const struct objects_header *header)
{
	uint64_t table = header->address + OBJECTS_HEADER_SIZE;

	return header->count && table >= object->start && table <= object->end &&
	       header->count <= (object->end - table) / 8;
}

static int add(struct list *list, const struct objects_object *object)
{
	struct objects_header header;
	int error = objects_read_header(object, &header);

	if (error || object->is_vdso || !has_table(object, &header))
		return error;
	for (size_t i = 0; i < object->phdr_count && list->count < list->room; i++)
		if (is_code(&object->phdrs[i]))
			insert(list, object, &object->phdrs[i], &header);
	return 0;
}

static size_t count_code(struct objects_object *const *objects, size_t count)
{
	size_t ret = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < objects[i]->phdr_count; k++)
			ret += is_code(&objects[i]->phdrs[k]);
	return ret;
}

static int fill(struct list *_Atomic *list)
{
	struct objects_object **objects;
	struct list *grown;
	size_t count;
	int error = objects_list(&objects, &count);

	if (*list)
		(*list)->count = 0;
	if (error)
		return error;
	grown = list_with_room(*list, count_code(objects, count));
	if (!grown)
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < count && !error; i++)
		error = add(grown, objects[i]);
	if (error)
		grown->count = 0;
	*list = grown;
	return error;
}

static int replace(void)
{
	uint64_t version = in_force + 1;
	int error;

	filled = version;
	atomic_thread_fence(memory_order_seq_cst); /* nothing is written before that */
	error = fill(&lists[version & 1]);
	in_force = version;
	return error;
}

int callers_start(void)
{
	int error = started ? 0 : replace();

	started |= !error;
	return error;
}

void callers_refresh(void)
{
	if (started)
		replace();
}
