/* SPDX-License-Identifier: MIT */
/*
 * The launcher has found the places (include/listing.h), so that no process decodes anything. They stay in
 * the session's memory; that is mapped by every process anyway.
 */
#include "trace/action/cover.h"

#include "include/covering.h"
#include "trace/session/cover.h"

static bool is_inside(const struct trace_cover *cover, uint64_t at, uint64_t size)
{
	return at <= cover->size && size <= cover->size - at;
}

static bool is_sound(const struct trace_cover *cover, uint64_t room)
{
	if (cover->size > room || cover->count > EP_COVERS_MAX ||
	    !is_inside(cover, sizeof(*cover), cover->count * sizeof(cover->objects[0])))
		return false;
	for (uint64_t i = 0; i < cover->count; i++) {
		const struct trace_cover_object *object = &cover->objects[i];

		if (object->count > UINT32_MAX || object->offsets % sizeof(uint32_t) ||
		    !is_inside(cover, object->offsets, object->count * sizeof(uint32_t)) ||
		    !is_inside(cover, object->bytes, object->count) ||
		    !is_inside(cover, object->hits, object->count))
			return false;
	}
	return true;
}

int trace_cover_watch(const struct trace_session *session, struct trace_arena *arena)
{
	const struct trace_layout *layout = &session->layout;
	uint64_t at = session->shared->cover, end = layout->definitions + layout->definitions_size;
	struct trace_cover *cover = (void *)((char *)session->shared + at);
	struct ep_cover *list;

	if (at < layout->definitions || at % 8 || at > end || end - at < sizeof(*cover) ||
	    !is_sound(cover, end - at))
		return -EP_INVALID;
	list = trace_arena_alloc(arena, (cover->count + 1) * sizeof(*list));
	if (!list)
		return -EP_NO_MEMORY;
	for (uint64_t i = 0; i < cover->count; i++) {
		const struct trace_cover_object *object = &cover->objects[i];

		list[i] = (struct ep_cover){
			.device = object->device,
			.inode = object->inode,
			.offsets = (const void *)((char *)cover + object->offsets),
			.bytes = (const void *)((char *)cover + object->bytes),
			.hits = (void *)((char *)cover + object->hits),
			.count = (uint32_t)object->count,
			.unarmed = &cover->unarmed,
		};
	}
	return ep_cover(list, cover->count);
}
