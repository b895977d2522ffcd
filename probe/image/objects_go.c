/* SPDX-License-Identifier: MIT */
/* Go's functions are called in ways of their own, and their stacks move. */
#include <string.h>

#include "include/emuprobe.h"
#include "probe/image/objects_piece.h"

/* A note of the owner "Go": its linker writes the build's ID into each program and library. */
static bool has_go_note(struct cursor notes)
{
	while (cursor_left(&notes)) {
		uint32_t name_size = cursor_u32(&notes), size = cursor_u32(&notes);
		char name[4] = "";

		cursor_u32(&notes); /* type */
		if (name_size == sizeof(name))
			cursor_copy(&notes, name, sizeof(name));
		else
			cursor_skip(&notes, ((uint64_t)name_size + 3) & ~3ul);
		if (!notes.failed && memcmp(name, "Go\0", sizeof(name)) == 0)
			return true;
		cursor_skip(&notes, ((uint64_t)size + 3) & ~3ul);
	}
	return false;
}

int objects_is_go(const struct objects_object *object, bool *ret)
{
	*ret = false;
	for (size_t i = 0; i < object->phdr_count && !*ret; i++) {
		const ElfW(Phdr) *phdr = &object->phdrs[i];
		struct objects_piece piece;
		int error;

		if (phdr->p_type != PT_NOTE)
			continue;
		error = objects_piece_of_memory(object, object->base + phdr->p_vaddr,
						phdr->p_filesz, &piece);
		*ret = has_go_note(objects_piece_cursor(&piece));
		objects_piece_free(&piece);
		if (error)
			return error;
	}
	return 0;
}
