/* SPDX-License-Identifier: MIT */
#include "probe/image/data.h"

#include <stdlib.h>

/* The readers of symbols look for the name, and keep nothing else, where .wanted says so. */
int data_find(const struct objects_object *object, const char *name, uint64_t *ret)
{
	struct objects_object reading = {
		.path = object->path,
		.name = object->name,
		.base = object->base,
		.start = object->start,
		.end = object->end,
		.phdrs = object->phdrs,
		.phdr_count = object->phdr_count,
		.is_executable = object->is_executable,
		.is_self = object->is_self,
		.wanted = name,
	};
	int error = objects_read_dynsym(&reading);

	if (!error && !reading.wanted_address)
		error = objects_read_file(&reading);
	*ret = reading.wanted_address;
	free(reading.names[0]);
	free(reading.names[1]);
	free(reading.rseq);
	return error;
}

uint64_t data_of_file_offset(const struct objects_object *object, uint64_t offset)
{
	for (size_t i = 0; i < object->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];

		if (phdr->p_type == PT_LOAD && offset >= phdr->p_offset &&
		    offset - phdr->p_offset < phdr->p_filesz)
			return object->base + phdr->p_vaddr + (offset - phdr->p_offset);
	}
	return 0;
}
