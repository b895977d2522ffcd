/* SPDX-License-Identifier: MIT */
/*
 * What an object says of itself, true or not. Objects are made by hand, in memory of which the last
 * byte is followed by nothing: who reads further dies.
 */
#include "probe/image/objects.h"
#include "probe/image/functions.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "sys/copy.h"

TestSuite(objects, .timeout = 400);

#define PAGE 4096u
#define SIZE (2 * PAGE) /* code, then all else */

enum { LOAD, DYNAMIC, FRAMES, PHDRS };

/* Code fills the first page of one segment. What tests put into it grows from the second page on. */
struct made {
	struct objects_object object;
	ElfW(Phdr) phdrs[PHDRS];
	uint8_t *memory;
	size_t used;
	ElfW(Dyn) dynamic[8];
	size_t dynamic_count;
};

static void made_init(struct made *made)
{
	uint8_t *memory =
		mmap(NULL, SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(memory, MAP_FAILED);
	cr_assert_eq(mprotect(memory + SIZE, PAGE, PROT_NONE), 0);
	cr_assert_eq(munmap(memory + SIZE, PAGE), 0);
	*made = (struct made){.memory = memory, .used = PAGE};
	made->phdrs[LOAD] = (ElfW(Phdr)){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = SIZE, .p_memsz = SIZE};
	made->object = (struct objects_object){.path = "",
					       .name = "made",
					       .base = (uint64_t)memory,
					       .phdrs = made->phdrs,
					       .phdr_count = PHDRS};
	objects_read_extent(&made->object);
}

static void made_deinit(struct made *made)
{
	objects_forget_functions(&made->object);
	munmap(made->memory, SIZE);
}

/* Its offset. */
static uint64_t put(struct made *made, const void *bytes, size_t size)
{
	uint64_t ret = made->used;

	cr_assert_leq(size, SIZE - made->used);
	memcpy(made->memory + ret, bytes, size);
	made->used += size;
	return ret;
}

/* The same at the very end. */
static uint64_t put_last(struct made *made, const void *bytes, size_t size)
{
	made->used = SIZE - size;
	return put(made, bytes, size);
}

static void add_entry(struct made *made, int64_t tag, uint64_t value)
{
	made->dynamic[made->dynamic_count++] = (ElfW(Dyn)){.d_tag = tag, .d_un.d_val = value};
}

static void put_dynamic(struct made *made)
{
	size_t size = (made->dynamic_count + 1) * sizeof(made->dynamic[0]);

	made->phdrs[DYNAMIC] = (ElfW(Phdr)){
		.p_type = PT_DYNAMIC, .p_vaddr = put(made, made->dynamic, size), .p_memsz = size};
}

static const struct objects_function *read_and_find(struct made *made, const char *name)
{
	cr_assert_eq(objects_read_functions(&made->object), 0);
	for (size_t i = 0; i < made->object.function_count; i++) {
		const struct objects_function *function = &made->object.functions[i];

		if (function->name ? name && strcmp(function->name, name) == 0 : !name)
			return function;
	}
	return NULL;
}

/* ---- symbols ------------------------------------------------------------------------------- */

#define FUNC ELF64_ST_INFO(STB_GLOBAL, STT_FUNC)

static const ElfW(Sym) two_symbols[] = {
	{0},
	{.st_name = 1, .st_info = FUNC, .st_shndx = 1, .st_value = 0x100, .st_size = 16},
	{.st_name = 5, .st_info = FUNC, .st_shndx = 1, .st_value = 0x200, .st_size = 16},
};
static const char strings[] = "\0one\0two";
static const uint32_t hash[] = {1, 3, 0, 0, 0, 0}; /* buckets, symbols */

static void put_symbols(struct made *made)
{
	add_entry(made, DT_SYMTAB, put(made, two_symbols, sizeof(two_symbols)));
	add_entry(made, DT_STRTAB, put(made, strings, sizeof(strings)));
	add_entry(made, DT_STRSZ, sizeof(strings));
}

Test(objects, symbols_are_read)
{
	struct made made;

	made_init(&made);
	put_symbols(&made);
	add_entry(&made, DT_HASH, put(&made, hash, sizeof(hash)));
	put_dynamic(&made);
	cr_assert_not_null(read_and_find(&made, "one"));
	cr_expect_eq(read_and_find(&made, "two")->start, made.object.base + 0x200);
	cr_expect_eq(read_and_find(&made, "two")->end, made.object.base + 0x210);
	cr_expect_eq(made.object.function_count, 2);
	made_deinit(&made);
}

/* The mapping may be shortened: they are copies. */
Test(objects, names_outlive_the_mapping)
{
	struct made made;

	made_init(&made);
	put_symbols(&made);
	add_entry(&made, DT_HASH, put(&made, hash, sizeof(hash)));
	put_dynamic(&made);
	cr_assert_not_null(read_and_find(&made, "one"));
	munmap(made.memory, SIZE);
	cr_expect_not_null(read_and_find(&made, "one"));
	made_deinit(&made);
}

Test(objects, a_count_of_symbols_ends_with_the_segment)
{
	const uint32_t liar[] = {1, UINT32_MAX, 0, 0};
	struct made made;

	made_init(&made);
	add_entry(&made, DT_STRTAB, put(&made, strings, sizeof(strings)));
	add_entry(&made, DT_STRSZ, sizeof(strings));
	add_entry(&made, DT_HASH, put(&made, liar, sizeof(liar)));
	add_entry(&made, DT_SYMTAB, SIZE - sizeof(two_symbols) + 8); /* not a multiple, too */
	put_dynamic(&made);
	put_last(&made, two_symbols, sizeof(two_symbols) - 8);
	made.used = SIZE;
	read_and_find(&made, "one");
	add_entry(&made, DT_NULL, 0);
	made_deinit(&made);
}

/* Of DT_GNU_HASH: the header, one word of a filter, one bucket; chains. */
static const uint32_t gnu_hash[] = {1, 1, 1, 0, 0, 0, 1, 2, 1};

Test(objects, gnu_hash_tells_how_many_symbols_there_are)
{
	struct made made;

	made_init(&made);
	put_symbols(&made);
	add_entry(&made, DT_GNU_HASH, put(&made, gnu_hash, sizeof(gnu_hash)));
	put_dynamic(&made);
	read_and_find(&made, "one");
	cr_expect_eq(made.object.function_count, 2);
	made_deinit(&made);
}

Test(objects, a_chain_without_an_end_ends_with_the_segment)
{
	const uint32_t endless[] = {1, 1, 1, 0, 0, 0, 1, 2, 2};
	struct made made;

	made_init(&made);
	put_symbols(&made);
	add_entry(&made, DT_GNU_HASH, SIZE - sizeof(endless));
	put_dynamic(&made);
	put_last(&made, endless, sizeof(endless));
	/* Two are told for certain, and what follows the symbols has no name. */
	cr_expect_not_null(read_and_find(&made, "one"));
	cr_expect_not_null(read_and_find(&made, "two"));
	made_deinit(&made);
}

/* Each number of the header, one after the other, as large as can be. */
Test(objects, gnu_hash_may_lie_about_all_its_sizes)
{
	for (size_t i = 0; i < 9; i++) {
		uint32_t liar[9];
		struct made made;

		memcpy(liar, gnu_hash, sizeof(liar));
		liar[i] = i == 3 || i == 4 ? 0 : 0xfffffffe;
		made_init(&made);
		put_symbols(&made);
		add_entry(&made, DT_GNU_HASH, put(&made, liar, sizeof(liar)));
		put_dynamic(&made);
		cr_expect_eq(objects_read_functions(&made.object), 0, "number %zu", i);
		cr_expect_leq(made.object.function_count, 2, "number %zu", i);
		made_deinit(&made);
	}
}

/* ---- versions ------------------------------------------------------------------------------ */

static const char version_strings[] = "\0one\0two\0V1\0V2";

struct versions {
	ElfW(Verdef) definition;
	ElfW(Verdaux) name;
};

static void put_versions(struct made *made, const struct versions *versions, size_t size)
{
	add_entry(made, DT_STRTAB, put(made, version_strings, sizeof(version_strings)));
	add_entry(made, DT_STRSZ, sizeof(version_strings));
	add_entry(made, DT_VERDEF, put_last(made, versions, size));
	made->used = PAGE + 512;
	put_dynamic(made);
}

static const char *version_of(const struct made *made, uint16_t version)
{
	const struct objects_function function = {.version = version};

	return objects_version(&made->object, &function);
}

static const struct versions two_versions[] = {
	{{.vd_flags = VER_FLG_BASE,
	  .vd_ndx = 1,
	  .vd_aux = sizeof(ElfW(Verdef)),
	  .vd_next = sizeof(struct versions)},
	 {.vda_name = 1}},
	{{.vd_ndx = 2, .vd_aux = sizeof(ElfW(Verdef)), .vd_next = sizeof(struct versions)},
	 {.vda_name = 9}},
	{{.vd_ndx = 5, .vd_aux = sizeof(ElfW(Verdef))}, {.vda_name = 12}},
};

Test(objects, versions_are_read)
{
	struct made made;

	made_init(&made);
	put_versions(&made, two_versions, sizeof(two_versions));
	cr_assert_eq(objects_read_versions(&made.object), 0);
	cr_expect_null(version_of(&made, 1), "the base is the object's own name");
	cr_expect_str_eq(version_of(&made, 2), "V1");
	cr_expect_null(version_of(&made, 3));
	cr_expect_str_eq(version_of(&made, 5), "V2");
	cr_expect_null(version_of(&made, 6));
	cr_expect_eq(objects_read_versions(&made.object), 0, "again");
	made_deinit(&made);
}

/* Each of the numbers of the last one in turn: it is left out, and nothing beyond the end is read. */
Test(objects, a_version_may_lie_about_all_its_numbers)
{
	static const uint32_t lies[] = {0, 1, 2, 19, 20, 21, 0x7fff, 0xffff, INT32_MAX, UINT32_MAX};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		for (size_t k = 0; k < 4; k++) {
			struct versions liars[3];
			struct made made;

			memcpy(liars, two_versions, sizeof(liars));
			if (k == 0)
				liars[2].definition.vd_aux = lies[i];
			else if (k == 1)
				liars[2].definition.vd_next = lies[i];
			else if (k == 2)
				liars[2].definition.vd_ndx = (uint16_t)lies[i];
			else
				liars[2].name.vda_name = lies[i];
			made_init(&made);
			put_versions(&made, liars, sizeof(liars));
			cr_assert_eq(objects_read_versions(&made.object), 0, "%zu %zu", i, k);
			cr_expect_str_eq(version_of(&made, 2), "V1");
			for (uint32_t n = 0; n < 0x8000; n++)
				if (version_of(&made, (uint16_t)n))
					cr_expect_lt(strlen(version_of(&made, (uint16_t)n)), 12);
			made_deinit(&made);
		}
}

Test(objects, a_name_ends_with_its_table)
{
	const ElfW(Sym) symbols[] = {
		{0},
		{.st_name = 1, .st_info = FUNC, .st_shndx = 1, .st_value = 0x100},
		{.st_name = 4, .st_info = FUNC, .st_shndx = 1, .st_value = 0x200},
		{.st_name = UINT32_MAX, .st_info = FUNC, .st_shndx = 1, .st_value = 0x300},
	};
	const uint32_t four[] = {1, 4, 0};
	struct made made;

	made_init(&made);
	add_entry(&made, DT_SYMTAB, put(&made, symbols, sizeof(symbols)));
	add_entry(&made, DT_HASH, put(&made, four, sizeof(four)));
	add_entry(&made, DT_STRTAB, SIZE - 4);
	add_entry(&made, DT_STRSZ, UINT64_MAX);
	put_dynamic(&made);
	put_last(&made, "\0end", 4); /* without a zero */
	cr_expect_not_null(read_and_find(&made, "end"));
	cr_expect_eq(made.object.function_count, 1);
	made_deinit(&made);
}

Test(objects, a_function_ends_with_its_segment)
{
	ElfW(Sym) symbols[] = {
		{0},
		{.st_name = 1, .st_info = FUNC, .st_shndx = 1, .st_value = 0x100},
		{.st_name = 5, .st_info = FUNC, .st_shndx = 1, .st_value = 0x200},
	};
	struct made made;

	made_init(&made);
	symbols[1].st_size = 1ul << 62;
	symbols[2].st_size = -1ul - made.object.base; /* the sum wraps */
	add_entry(&made, DT_SYMTAB, put(&made, symbols, sizeof(symbols)));
	add_entry(&made, DT_STRTAB, put(&made, strings, sizeof(strings)));
	add_entry(&made, DT_STRSZ, sizeof(strings));
	add_entry(&made, DT_HASH, put(&made, hash, sizeof(hash)));
	put_dynamic(&made);
	cr_expect_eq(read_and_find(&made, "one")->end, made.object.end);
	cr_expect_leq(read_and_find(&made, "two")->end, made.object.end);
	made_deinit(&made);
}

/* Of a file, whose end is not where it says. */
Test(objects, a_segment_may_claim_to_reach_around_all_memory)
{
	struct made made;
	uint64_t address;

	made_init(&made);
	address = made.object.base + 0x100;
	made.phdrs[LOAD].p_filesz = -0x1000ul;
	cr_expect_gt(objects_code_end(&made.object, address), address);
	made_deinit(&made);
}

/* In no segment, behind its end, and across it. */
Test(objects, tables_that_are_nowhere_are_empty)
{
	static const int64_t tags[] = {DT_SYMTAB, DT_STRTAB, DT_HASH, DT_GNU_HASH, DT_VERSYM};
	static const uint64_t places[] = {SIZE - 1, SIZE, SIZE + 1, 1ul << 47, UINT64_MAX - 7};

	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
		for (size_t k = 0; k < sizeof(places) / sizeof(*places); k++) {
			struct made made;

			made_init(&made);
			put_symbols(&made);
			add_entry(&made, DT_HASH, put(&made, hash, sizeof(hash)));
			add_entry(&made, tags[i], places[k]); /* the last one counts */
			put_dynamic(&made);
			cr_expect_eq(objects_read_functions(&made.object), 0);
			cr_expect_leq(made.object.function_count, 2);
			made_deinit(&made);
		}
}

Test(objects, a_dynamic_section_without_an_end_ends_with_the_segment)
{
	struct made made;

	made_init(&made);
	put_symbols(&made);
	add_entry(&made, DT_HASH, put(&made, hash, sizeof(hash)));
	made.phdrs[DYNAMIC] = (ElfW(Phdr)){.p_type = PT_DYNAMIC, .p_memsz = UINT64_MAX};
	made.phdrs[DYNAMIC].p_vaddr =
		put_last(&made, made.dynamic, made.dynamic_count * sizeof(made.dynamic[0]));
	read_and_find(&made, "one");
	cr_expect_eq(made.object.function_count, 2);
	made_deinit(&made);
}

Test(objects, a_soname_without_an_end_ends_with_the_segment)
{
	struct made made;

	made_init(&made);
	made.object.name = strdup("made");
	put_symbols(&made);
	add_entry(&made, DT_STRTAB, SIZE - 4);
	add_entry(&made, DT_STRSZ, UINT64_MAX);
	add_entry(&made, DT_SONAME, 1);
	put_dynamic(&made);
	put_last(&made, "\0xyz", 4);
	cr_assert_eq(objects_read_soname(&made.object), 0);
	cr_expect_str_eq(made.object.name, "xyz");
	free((char *)made.object.name);
	made_deinit(&made);
}

/* ---- unwind information -------------------------------------------------------------------- */

/* A CIE with "zR" and addresses of four bytes, and an FDE of the function at 0x100, 0x20 long. */
static const uint8_t frames[] = {
	0x14, 0, 0,    0, 0, 0, 0,  0, 1, 'z', 'R', 0, 1, 0x78, 16,   1, 0x1b, 0x0c, 7, 8, 0x90, 1,
	0,    0, 0x10, 0, 0, 0, 28, 0, 0, 0,   0,   0, 0, 0,	0x20, 0, 0,    0,    0, 0, 0,	 0,
};
#define FDE	   24 /* its offset */
#define FDE_DATA   40 /* of the size of its augmentation data */
#define CIE_LETTER 9  /* of the augmentation string */
#define CIE_ALIGN  12 /* of a LEB128 */

static uint64_t put_header(struct made *made, uint64_t at, uint32_t count)
{
	const uint8_t head[] = {1, 0x1b, 0x03, 0x3b};
	uint64_t header = put(made, head, sizeof(head));
	const int32_t rest[] = {(int32_t)(at - header - 4), (int32_t)count,
				(int32_t)(0x100 - header), (int32_t)(at + FDE - header)};

	put(made, rest, sizeof(rest));
	made->phdrs[FRAMES] = (ElfW(Phdr)){.p_type = PT_GNU_EH_FRAME, .p_vaddr = header};
	return header;
}

Test(objects, unwind_information_is_read)
{
	const struct objects_function *function;
	struct made made;

	made_init(&made);
	put_header(&made, put(&made, frames, sizeof(frames)), 1);
	function = read_and_find(&made, NULL);
	cr_assert_not_null(function);
	cr_expect_eq(function->start, made.object.base + 0x100);
	cr_expect_eq(function->end, made.object.base + 0x120);
	cr_expect_not(function->is_part);
	made_deinit(&made);
}

/* The end of what is changed is that of the memory. */
static void expect_no_extent(const uint8_t *changed, size_t size, const char *what)
{
	const struct objects_function *function;
	struct made made;

	made_init(&made);
	put_header(&made, SIZE - size, 1);
	put_last(&made, changed, size);
	function = read_and_find(&made, NULL);
	cr_assert_not_null(function, "%s", what);
	cr_expect(function->guessed_end, "%s", what);
	made_deinit(&made);
}

/* 2^64 - 2^40 as a LEB128: added to a pointer, it wraps around. */
Test(objects, augmentation_data_may_lie_about_its_size)
{
	static const uint8_t size[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0xe0, 0xff, 0xff, 0xff, 0x01};
	uint8_t changed[sizeof(frames) + 8];

	memset(changed, 0, sizeof(changed));
	memcpy(changed, frames, sizeof(frames));
	memcpy(changed + FDE_DATA, size, sizeof(size));
	changed[FDE] += 8;
	expect_no_extent(changed, sizeof(changed), "data of 2^64 - 2^40 bytes");
}

Test(objects, an_augmentation_string_without_an_end)
{
	uint8_t changed[sizeof(frames)];

	memcpy(changed, frames, sizeof(frames));
	memset(changed + CIE_LETTER, 'z', sizeof(changed) - CIE_LETTER);
	memcpy(changed + FDE, frames + FDE, 8);
	changed[FDE + 4] = 28;
	expect_no_extent(changed, sizeof(changed), "no zero up to the end");
}

Test(objects, a_number_without_an_end)
{
	uint8_t changed[sizeof(frames)];

	memcpy(changed, frames, sizeof(frames));
	memset(changed + CIE_ALIGN, 0xff, FDE - CIE_ALIGN);
	expect_no_extent(changed, sizeof(changed), "LEB128");
}

/* The record ends with the memory, wherever it is cut. */
Test(objects, a_record_may_end_anywhere)
{
	for (size_t size = 1; size < sizeof(frames); size++) {
		struct made made;

		made_init(&made);
		put_header(&made, SIZE - size, 1);
		put_last(&made, frames, size);
		cr_expect_not_null(read_and_find(&made, NULL), "%zu bytes", size);
		made_deinit(&made);
	}
}

Test(objects, a_record_may_have_any_length)
{
	static const uint32_t lengths[] = {0, 1, 4, 0x7fffffff, 0xfffffff0, 0xffffffff};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		for (size_t record = 0; record <= FDE; record += FDE) {
			uint8_t changed[sizeof(frames)];
			struct made made;

			memcpy(changed, frames, sizeof(frames));
			memcpy(changed + record, &lengths[i], sizeof(lengths[i]));
			made_init(&made);
			put_header(&made, SIZE - sizeof(changed), 1);
			put_last(&made, changed, sizeof(changed));
			cr_expect_not_null(read_and_find(&made, NULL), "%#x", lengths[i]);
			made_deinit(&made);
		}
}

Test(objects, a_cie_may_be_anywhere)
{
	static const uint32_t distances[] = {0, 4, 0x7fffffff, 0x80000000, 0xffffffff};

	for (size_t i = 0; i < sizeof(distances) / sizeof(*distances); i++) {
		uint8_t changed[sizeof(frames)];

		memcpy(changed, frames, sizeof(frames));
		memcpy(changed + FDE + 4, &distances[i], sizeof(distances[i]));
		expect_no_extent(changed, sizeof(changed), "distance");
	}
}

Test(objects, a_table_of_frames_ends_with_the_segment)
{
	static const uint32_t counts[] = {2, 0x20000000, 0x7fffffff, 0x80000000, 0xffffffff};

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		const size_t size = 4 + 4 * sizeof(int32_t);
		struct made made;
		uint64_t at;

		made_init(&made);
		at = put(&made, frames, sizeof(frames));
		made.used = SIZE - size;
		put_header(&made, at, counts[i]);
		cr_expect_not_null(read_and_find(&made, NULL));
		cr_expect_eq(made.object.function_count, 1, "count %u", counts[i]);
		made_deinit(&made);
	}
}

/*
 * Each entry names the same FDE, whose CIE begins far in front of it, with a string in which there is
 * no zero: what is looked at is its head.
 */
Test(objects, one_long_record_named_by_all_is_read_in_no_time)
{
	enum { BIG = 64 << 20, COUNT = 1 << 20, HEADER = 64, CIE = HEADER + 12 + COUNT * 8 };
	uint8_t *memory =
		mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ElfW(Phdr) phdrs[] = {{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = BIG},
			      {.p_type = PT_GNU_EH_FRAME, .p_vaddr = HEADER}};
	struct objects_object object = {
		.path = "", .name = "", .base = (uint64_t)memory, .phdrs = phdrs, .phdr_count = 2};
	const uint8_t head[] = {1, 0x1b, 0x03, 0x3b};
	const uint32_t length = 0x02020202, distance = 0x01010101;
	const int32_t fde = CIE + (int32_t)distance - 4;
	int32_t *header = (int32_t *)(void *)(memory + HEADER);

	cr_assert_neq(memory, MAP_FAILED);
	memcpy(header, head, sizeof(head));
	header[1] = CIE - HEADER - 4;
	header[2] = COUNT;
	for (int i = 0; i < COUNT; i++)
		header[4 + 2 * i] = fde - HEADER;
	header[4] = BIG - HEADER - 8; /* .eh_frame goes on */
	memcpy(memory + CIE, frames, sizeof(frames));
	memcpy(memory + CIE, &length, sizeof(length));
	memset(memory + CIE + CIE_LETTER, 'z', length - CIE_LETTER);
	memcpy(memory + fde, &length, sizeof(length));
	memcpy(memory + fde + 4, &distance, sizeof(distance));
	cr_expect_eq(objects_read_functions(&object), 0); /* or 10^13 bytes are looked at */
	cr_expect_eq(object.function_count, COUNT);
	objects_forget_functions(&object);
	munmap(memory, BIG);
}

/* By start; of one start the longest first. */
static void expect_order(const struct objects_object *object)
{
	for (size_t i = 1; i < object->function_count; i++) {
		const struct objects_function *function = &object->functions[i];

		cr_assert(function[-1].start < function->start ||
				  (function[-1].start == function->start &&
				   function[-1].end >= function->end),
			  "%zu", i);
	}
}

static void check_order(const ElfW(Sym) * symbols, size_t count)
{
	const uint32_t counts[] = {1, (uint32_t)count, 0, 0};
	struct made made;

	made_init(&made);
	add_entry(&made, DT_SYMTAB, put(&made, symbols, count * sizeof(*symbols)));
	add_entry(&made, DT_STRTAB, put(&made, strings, sizeof(strings)));
	add_entry(&made, DT_STRSZ, sizeof(strings));
	add_entry(&made, DT_HASH, put(&made, counts, sizeof(counts)));
	put_dynamic(&made);
	cr_assert_eq(objects_read_functions(&made.object), 0);
	cr_expect_gt(made.object.function_count, 0);
	expect_order(&made.object);
	made_deinit(&made);
}

Test(objects, functions_are_in_order)
{
	enum { COUNT = 100 };
	ElfW(Sym) symbols[COUNT];
	uint64_t random = 1;

	/* The first two: many at one start. */
	for (uint64_t extent = 1; extent < SIZE; extent *= 2) {
		for (size_t i = 0; i < COUNT; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			symbols[i] = (ElfW(Sym)){.st_name = 1,
						 .st_info = FUNC,
						 .st_shndx = 1,
						 .st_value = 1 + (random >> 20) % extent,
						 .st_size = 1 + (random >> 60)};
		}
		check_order(symbols, COUNT);
	}
}

/* Of what lies behind a segment nobody knows what it is, readable or not. */
Test(objects, nothing_is_read_behind_a_segment)
{
	struct made made;

	made_init(&made);
	add_entry(&made, DT_STRTAB, put(&made, strings, sizeof(strings)));
	add_entry(&made, DT_STRSZ, sizeof(strings));
	add_entry(&made, DT_HASH, put(&made, hash, sizeof(hash)));
	add_entry(&made, DT_SYMTAB, made.used + 8 * sizeof(made.dynamic[0]));
	put_dynamic(&made);
	made.used += 8 * sizeof(made.dynamic[0]) - 5 * sizeof(made.dynamic[0]);
	put(&made, two_symbols, sizeof(two_symbols));
	made.phdrs[LOAD].p_filesz = made.used - sizeof(two_symbols[0]);
	cr_expect_not_null(read_and_find(&made, "one"));
	cr_expect_null(read_and_find(&made, "two"));
	made_deinit(&made);
}

/* ---- memory that is not there -------------------------------------------------------------- */

Test(objects, memory_is_read_up_to_where_it_ends)
{
	uint8_t *memory =
		mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t copy[256];

	memset(memory, 7, SIZE);
	munmap(memory + PAGE, PAGE);
	for (int forget = 0; forget < 2; forget++) {
		sys_copy_forget_proc(forget);
		memset(copy, 0, sizeof(copy));
		cr_expect_eq(sys_copy((uint64_t)memory + PAGE - 10, copy, sizeof(copy)), 10);
		cr_expect(copy[9] == 7 && copy[10] == 0);
		cr_expect_eq(sys_copy((uint64_t)memory + PAGE, copy, sizeof(copy)), 0);
		cr_expect_eq(sys_copy(0, copy, sizeof(copy)), 0);
		cr_expect_eq(sys_copy(UINT64_MAX - 8, copy, sizeof(copy)), 0);
		cr_expect_eq(sys_copy(1ul << 60, copy, sizeof(copy)), 0);
		cr_expect_eq(sys_copy((uint64_t)memory, copy, 0), 0);
	}
	munmap(memory, PAGE);
}

/* A segment of a file that has become shorter: to read it is SIGBUS. */
Test(objects, segments_of_a_shortened_file_are_empty)
{
	int fd = memfd_create("object", 0);
	ElfW(Phdr) phdrs[] = {{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = SIZE},
			      {.p_type = PT_DYNAMIC, .p_vaddr = PAGE, .p_memsz = 256},
			      {.p_type = PT_GNU_EH_FRAME, .p_vaddr = PAGE + 512},
			      {.p_type = PT_NOTE, .p_vaddr = PAGE + 1024, .p_filesz = 64}};
	struct objects_object object = {.path = "/proc/self/exe",
					.name = "",
					.phdrs = phdrs,
					.phdr_count = sizeof(phdrs) / sizeof(*phdrs)};
	void *memory;

	cr_assert_eq(ftruncate(fd, SIZE), 0);
	memory = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	cr_assert_neq(memory, MAP_FAILED);
	object.base = (uint64_t)memory;
	cr_assert_eq(ftruncate(fd, 0), 0);
	for (int forget = 0; forget < 2; forget++) {
		sys_copy_forget_proc(forget);
		cr_expect_eq(objects_read_functions(&object), 0);
		cr_expect_eq(object.function_count, 0);
		objects_forget_functions(&object);
	}
	munmap(memory, SIZE);
	close(fd);
}
