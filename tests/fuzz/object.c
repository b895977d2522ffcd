/* SPDX-License-Identifier: MIT */
/*
 * An object file of any contents, put into memory as the loader would: whatever it says of itself,
 * what is read of it lies inside, and so do the functions that are found.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe/image/cfa.h"
#include "probe/image/functions.h"
#include "probe/image/image.h"
#include "probe/image/names.h"
#include "probe/image/object.h"
#include "probe/image/resolvers.h"
#include "probe/image/rules.h"
#include "tests/fuzz/harness.h"

#define IMAGE_MAX (1u << 20)
#define CLEARED	  (64u << 10) /* where the objects that are changed have their segments */
#define PHDRS_MAX 64

static uint8_t *image;
static int file = -1;
static char path[32];

static void prepare(void)
{
	if (image)
		return;
	image = mmap(NULL, IMAGE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(image != MAP_FAILED);
	file = memfd_create("fuzz", MFD_CLOEXEC);
	check(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
}

/* As many of the segment's bytes as the file and the image have; its pages, if the loader would. */
static void load(const ElfW(Phdr) * phdr, const uint8_t *data, size_t size)
{
	uint64_t count = phdr->p_filesz;

	if (phdr->p_vaddr >= IMAGE_MAX || phdr->p_offset >= size)
		return;
	if (count > size - phdr->p_offset)
		count = size - phdr->p_offset;
	if (count > IMAGE_MAX - phdr->p_vaddr)
		count = IMAGE_MAX - phdr->p_vaddr;
	memcpy(image + phdr->p_vaddr, data + phdr->p_offset, count);
}

static bool make_object(const uint8_t *data, size_t size, ElfW(Phdr) * phdrs,
			struct objects_object *ret)
{
	ElfW(Ehdr) header;

	if (size < sizeof(header))
		return false;
	memset(image, 0, CLEARED);
	memcpy(&header, data, sizeof(header));
	if (header.e_phoff > size || header.e_phnum > PHDRS_MAX ||
	    header.e_phnum * sizeof(*phdrs) > size - header.e_phoff)
		return false;
	memcpy(phdrs, data + header.e_phoff, header.e_phnum * sizeof(*phdrs));
	for (int i = 0; i < header.e_phnum; i++)
		if (phdrs[i].p_type == PT_LOAD)
			load(&phdrs[i], data, size);
	*ret = (struct objects_object){.path = path,
				       .name = strdup("fuzz"),
				       .base = (uint64_t)image,
				       .phdrs = phdrs,
				       .phdr_count = header.e_phnum};
	objects_read_extent(ret);
	return true;
}

static void check_function(struct objects_object *object, size_t i)
{
	const struct objects_function *function = &object->functions[i];
	volatile size_t length = function->name ? strlen(function->name) : 0;

	(void)length;
	check(i == 0 || function[-1].start <= function->start);
	check(objects_code_end(object, function->start) > function->start);
	check(!function->name || function->name[0]);
	check(objects_count_up_to(object, function->start) > i);
	length = objects_version(object, function) ? strlen(objects_version(object, function)) : 0;
	objects_function_at(object, function->start);
	objects_file_offset(object, function->start);
	resolvers_may_call(object, function);
}

/* More look-ups than are made without sorting them. */
#define LOOKUPS 100

static void check_name(struct objects_object *object, const struct objects_function *function)
{
	const struct objects_function *found;
	struct names_walk walk;

	names_begin(&walk, object, function->name);
	do
		found = names_next(&walk);
	while (found && found != function);
	check(found);
}

static void check_names(struct objects_object *object)
{
	for (size_t i = 0; object->function_count && i < LOOKUPS; i++) {
		const struct objects_function *function =
			&object->functions[i % object->function_count];

		if (function->name)
			check_name(object, function);
	}
}

/* Its unwind information, at each of its bytes, as far as there are not too many. */
static void run_cfa(const struct objects_object *object, uint64_t address)
{
	struct cfa cfa;

	if (cfa_init(object, address, &cfa))
		return;
	check(address >= cfa.start && address < cfa.end);
	for (uint64_t at = cfa.start; at < cfa.end && at - cfa.start < 256; at++)
		check(!cfa_at(&cfa, at).known || cfa.rule.reg < 16);
	cfa_at(&cfa, cfa.end);
	cfa_deinit(&cfa);
}

#define TABLE 12 /* of .eh_frame_hdr, behind what it begins with: LSB Core, "Exception Frames" */

/* What a hit looks at, as far as the table lies in the object: callers.c sees to that. */
static bool find_table(const struct objects_object *object, struct live_code *ret)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		uint32_t count;

		if (phdr->p_type != PT_GNU_EH_FRAME || phdr->p_vaddr > IMAGE_MAX - TABLE)
			continue;
		memcpy(&count, image + phdr->p_vaddr + TABLE - sizeof(count), sizeof(count));
		if (count > (IMAGE_MAX - TABLE - phdr->p_vaddr) / 8)
			continue;
		*ret = (struct live_code){.header = (uint64_t)image + phdr->p_vaddr,
					  .count = count,
					  .end = UINT64_MAX,
					  .object_start = (uint64_t)image,
					  .object_end = (uint64_t)image + IMAGE_MAX};
		ret->table = ret->header + TABLE;
		return true;
	}
	return false;
}

/* The same for a hit that looks at its callers, and an expression wherever it begins. */
static void run_rules(const struct live_code *code, uint64_t address)
{
	struct rules_value value;
	struct live_fde fde;
	struct rules rules;

	if (!live_find(code, address, &fde))
		return;
	check(address - fde.start < fde.size);
	for (uint64_t at = 0; at < 32; at++)
		if (rules_find(&fde, address + at, address + at, &rules))
			check(rules.cfa.kind <= RULES_UNKNOWN && rules.ret.kind <= RULES_UNKNOWN);
	for (int i = 0; i < 8 && fde.program.at < fde.program.end; i++) {
		rules_evaluate(fde.program, address, i & 1, &value);
		check(value.kind == RULES_SUM || value.kind == RULES_LOADED ||
		      value.kind == RULES_UNKNOWN);
		live_skip(&fde.program, 1);
	}
}

static void need(enum ep_need what, const char *name, void *data)
{
	volatile size_t length = strlen(name);

	(void)what;
	(void)data;
	(void)length;
}

/* The same file, not loaded. */
static void lay_out(void)
{
	struct objects_object *object;

	if (image_load(file, path, "fuzz", false, &object))
		return;
	check(objects_read_functions(object) == 0);
	check(objects_read_needs(object, need, NULL) == 0);
	for (size_t i = 0; i < object->function_count; i++)
		check_function(object, i);
	image_unload(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ElfW(Phdr) phdrs[PHDRS_MAX];
	struct objects_object object;
	struct live_code code;

	prepare();
	check(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
	lay_out();
	if (!make_object(data, size, phdrs, &object))
		return 0;
	check(objects_read_soname(&object) == 0);
	check(objects_read_functions(&object) == 0);
	check(objects_read_versions(&object) == 0);
	for (size_t i = 0; i < object.function_count; i++)
		check_function(&object, i);
	check_names(&object);
	for (size_t i = 0; i < object.function_count && i < 64; i++)
		run_cfa(&object, object.functions[i].start);
	for (size_t i = 0; find_table(&object, &code) && i < object.function_count && i < 64; i++)
		run_rules(&code, object.functions[i].start);
	objects_forget_functions(&object);
	free((char *)object.name);
	return 0;
}

/* ---- what is worth changing ---------------------------------------------------------------- */

static bool is_read(const ElfW(Shdr) * section)
{
	return section->sh_type == SHT_DYNAMIC || section->sh_type == SHT_GNU_HASH ||
	       section->sh_type == SHT_HASH || section->sh_type == SHT_NOTE ||
	       section->sh_type == SHT_DYNSYM || section->sh_type == SHT_SYMTAB ||
	       section->sh_type == SHT_STRTAB || section->sh_type == SHT_GNU_verdef ||
	       section->sh_type == SHT_GNU_versym ||
	       (section->sh_type == SHT_PROGBITS && !(section->sh_flags & SHF_EXECINSTR));
}

/* In headers, or in a section that readers look at: .eh_frame and its table are such data. */
size_t fuzz_offset(const uint8_t *data, size_t size, uint64_t pick)
{
	ElfW(Ehdr) header;
	ElfW(Shdr) section;
	size_t at;

	if (size < sizeof(header) || pick % 3 == 0)
		return pick / 3 % 512;
	memcpy(&header, data, sizeof(header));
	if (!header.e_shnum)
		return pick;
	at = header.e_shoff + pick / 3 % header.e_shnum * sizeof(section);
	if (at > size || size - at < sizeof(section) || pick % 3 == 1)
		return at + pick / 128 % sizeof(section);
	memcpy(&section, data + at, sizeof(section));
	if (!is_read(&section) || !section.sh_size || section.sh_offset >= size)
		return pick / 128;
	return section.sh_offset + pick / 128 % section.sh_size;
}
