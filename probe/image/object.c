/* SPDX-License-Identifier: MIT */
/*
 * One loaded object: its segments, and the list of its functions, which others fill (functions.c).
 */
#include "probe/image/object.h"

#include <stdlib.h>

#include "include/emuprobe.h"

void objects_forget_functions(struct objects_object *object)
{
	free(object->functions);
	free(object->named);
	free(object->resolvers);
	free(object->rseq);
	free(object->names[0]);
	free(object->names[1]);
	for (size_t i = 0; i < object->version_count; i++)
		free(object->versions[i]);
	free(object->versions);
	object->versions = NULL;
	object->version_count = 0;
	object->versions_read = false;
	for (size_t i = 0; i < object->import_count; i++)
		free(object->imports[i].name);
	free(object->imports);
	object->imports = NULL;
	object->import_count = 0;
	object->imports_read = false;
	object->functions = NULL;
	object->named = NULL;
	object->resolvers = NULL;
	object->rseq = NULL;
	object->names[0] = object->names[1] = NULL;
	object->function_count = object->named_count = object->rseq_count = 0;
	object->resolver_count = 0;
	object->judged = 0;
	object->resolvers_read = object->has_fdes = false;
	object->lookups = 0;
	object->functions_read = false;
}

void objects_read_extent(struct objects_object *object)
{
	object->start = UINT64_MAX;
	object->end = 0;
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		uint64_t start = object->base + phdr->p_vaddr;

		if (phdr->p_type != PT_LOAD)
			continue;
		if (start < object->start)
			object->start = start;
		if (start + phdr->p_memsz > object->end)
			object->end = start + phdr->p_memsz;
	}
}

/* A size may be so large that the sum wraps. */
static uint64_t end_of(uint64_t start, uint64_t size)
{
	return size > UINT64_MAX - start ? UINT64_MAX : start + size;
}

uint64_t objects_code_end(const struct objects_object *object, uint64_t address)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		uint64_t start = object->base + phdr->p_vaddr;

		if (phdr->p_type == PT_LOAD && (phdr->p_flags & PF_X) &&
		    address - start < phdr->p_filesz)
			return end_of(start, phdr->p_filesz);
	}
	return 0;
}

uint64_t objects_of_file_offset(const struct objects_object *object, uint64_t offset)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];

		if (phdr->p_type == PT_LOAD && (phdr->p_flags & PF_X) &&
		    offset - phdr->p_offset < phdr->p_filesz)
			return object->base + phdr->p_vaddr + (offset - phdr->p_offset);
	}
	return 0;
}

static bool is_relro(const struct objects_object *object, uint64_t address)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];

		if (phdr->p_type == PT_GNU_RELRO &&
		    address - object->base - phdr->p_vaddr < phdr->p_memsz)
			return true;
	}
	return false;
}

uint64_t objects_of_data_offset(const struct objects_object *object, uint64_t offset, uint64_t size)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		uint64_t at = offset - phdr->p_offset, address = object->base + phdr->p_vaddr + at;

		if (phdr->p_type == PT_LOAD && (phdr->p_flags & PF_W) && at < phdr->p_filesz &&
		    phdr->p_filesz - at >= size)
			return is_relro(object, address) ? 0 : address;
	}
	return 0;
}

uint64_t objects_file_offset(const struct objects_object *object, uint64_t address)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		uint64_t at = address - object->base - phdr->p_vaddr;

		if (phdr->p_type == PT_LOAD && at < phdr->p_filesz)
			return phdr->p_offset + at;
	}
	return 0;
}

int objects_add(struct objects_object *object, const struct objects_function *function)
{
	uint64_t end = objects_code_end(object, function->start);
	size_t count = object->function_count;

	if (!end)
		return 0;
	/* Room for the next power of two, at least 1024. */
	if (count == 0 || (count >= 1024 && (count & (count - 1)) == 0)) {
		struct objects_function *grown =
			reallocarray(object->functions, count ? count * 2 : 1024, sizeof(grown[0]));

		if (!grown)
			return -EP_NO_MEMORY;
		object->functions = grown;
	}
	object->functions[count] = *function;
	if (function->end > end)
		object->functions[count].end = end;
	object->function_count++;
	object->has_fdes |= function->kind == OBJECTS_FDE;
	return 0;
}

size_t objects_count_up_to(const struct objects_object *object, uint64_t address)
{
	size_t low = 0, high = object->function_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (object->functions[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct objects_function *objects_function_at(struct objects_object *object, uint64_t address)
{
	size_t low = objects_count_up_to(object, address);

	/* Extents may nest, but not deeply: a function with entries inside. */
	for (size_t i = low, tries = 0; i-- > 0 && tries < 64; tries++)
		if (address < object->functions[i].end)
			return &object->functions[i];
	return NULL;
}
