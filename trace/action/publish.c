/* SPDX-License-Identifier: MIT */
/*
 * One block in the session's heap: probes, then their strings. Offsets, not
 * pointers and not addresses: programs executed one after the other mostly have equal blocks, and
 * share one then. The reader copies the block first and checks the copy, so that nothing can change
 * between check and use.
 *
 * Objects come and go, each with few probes out of many. What they change is in blocks of the same kind,
 * which say whose entries they are; each knows the one before it:
 *
 *	process.set -> | all that there was at the start |
 *	process.changes -> | last | -> | ... | -> | first | -> 0
 *
 * A forked child goes on with its parent's list. Nothing that was published is written again.
 */
#include "trace/action/publish.h"

#include <string.h>

#define LOOK_BACK 64 /* processes */

#define CHANGES_MAX (1u << 20)

struct packed_probe {
	uint32_t index;			   /* in the process's table */
	uint32_t event, place, insn, note; /* offsets among the strings */
	uint32_t definition; /* which both sides have read: its group, its arguments */
	int32_t reason;
	uint32_t plan, ways_out;
	uint32_t counter, return_counter;
};

struct packed {
	uint64_t probe_count;
	uint64_t strings_size;
	/* Of changes. */
	uint64_t before; /* the block before it in the list; 0: it is the first */
	uint64_t size;	 /* of the block, all of it */
	uint64_t number; /* in the list, from 1 on */
};

struct writer {
	struct packed_probe *probe;
	char *strings;
	uint32_t strings_used;
};

/* In the block, "" stands for none. */
static const char *note_of(const struct trace_view *view)
{
	return view->note ? view->note : "";
}

static uint64_t strings_of(const struct trace_view *view)
{
	return strlen(view->event) + strlen(view->place) + strlen(view->insn) +
	       strlen(note_of(view)) + 4;
}

static uint64_t measure(const struct trace_probes *probes, bool all, struct packed *ret)
{
	*ret = (struct packed){.strings_size = 1};
	for (size_t i = 0; i < probes->count; i++) {
		if (!all && probes->list[i].is_published)
			continue;
		ret->probe_count++;
		ret->strings_size += strings_of(&probes->list[i].view);
	}
	return sizeof(*ret) + ret->probe_count * sizeof(struct packed_probe) + ret->strings_size;
}

static uint32_t put_string(struct writer *writer, const char *text)
{
	uint32_t at = writer->strings_used;
	size_t size = strlen(text) + 1;

	memcpy(writer->strings + at, text, size);
	writer->strings_used += (uint32_t)size;
	return at;
}

static void put_view(struct writer *writer, uint32_t index, const struct trace_view *view)
{
	*writer->probe++ = (struct packed_probe){
		.index = index,
		.event = put_string(writer, view->event),
		.place = put_string(writer, view->place),
		.insn = put_string(writer, view->insn),
		.note = put_string(writer, note_of(view)),
		.definition = view->definition,
		.reason = view->reason,
		.plan = view->plan,
		.ways_out = view->ways_out,
		.counter = view->counter,
		.return_counter = view->return_counter,
	};
}

/* Of @all probes, or of those that are not published. */
static struct packed *pack(const struct trace_probes *probes, bool all, struct trace_arena *arena)
{
	struct packed packed;
	uint64_t size = measure(probes, all, &packed);
	struct packed *ret = trace_arena_alloc(arena, size);
	struct writer writer = {0};

	if (!ret)
		return NULL;
	*ret = packed;
	ret->size = size;
	writer.probe = (struct packed_probe *)(void *)(ret + 1);
	writer.strings = (char *)(writer.probe + packed.probe_count);
	for (size_t i = 0; i < probes->count; i++)
		if (all || !probes->list[i].is_published)
			put_view(&writer, (uint32_t)i, &probes->list[i].view);
	return ret;
}

/* An equal block that another process has published; 0: there is none among the last few. */
static uint64_t find_equal(const struct trace_session *session, const void *block, uint64_t size)
{
	uint64_t count = trace_session_process_count(session);

	for (uint64_t i = 0; i < LOOK_BACK && i < count; i++) {
		const struct trace_process *other = trace_session_process(session, count - 1 - i);

		if (other && atomic_load(&other->state) == TRACE_PROCESS_RUNNING &&
		    other->set_size == size &&
		    trace_session_equals(session, other->set, block, size))
			return other->set;
	}
	return 0;
}

static uint64_t copy_out(const struct trace_session *session, const void *block, uint64_t size)
{
	uint64_t at = trace_session_alloc(session, size);
	void *to = at ? trace_session_at(session, at, size) : NULL;

	if (!to)
		return 0;
	memcpy(to, block, size);
	return at;
}

static void say_published(const struct trace_session *session, struct trace_process *process,
			  struct trace_probes *probes)
{
	for (size_t i = 0; i < probes->count; i++)
		probes->list[i].is_published = true;
	process->probe_count = (uint32_t)probes->count;
	atomic_store(&process->state, TRACE_PROCESS_RUNNING);
	atomic_fetch_add(&process->revision, 1);
	atomic_fetch_add(&session->shared->revision, 1);
}

int trace_publish(const struct trace_session *session, struct trace_process *process,
		  struct trace_probes *probes)
{
	struct trace_arena arena = {0};
	struct packed *block = pack(probes, true, &arena);
	uint64_t size = block ? block->size : 0, set = 0;

	if (block)
		set = find_equal(session, block, size);
	if (block && !set)
		set = copy_out(session, block, size);
	trace_arena_deinit(&arena);
	if (!set)
		return -EP_NO_MEMORY;
	process->set = set;
	process->set_size = size;
	say_published(session, process, probes);
	return 0;
}

int trace_publish_changes(const struct trace_session *session, struct trace_process *process,
			  struct trace_probes *probes)
{
	uint64_t last = atomic_load(&process->changes), at = 0;
	const struct packed *before =
		last ? trace_session_at(session, last, sizeof(struct packed)) : NULL;
	struct trace_arena arena = {0};
	struct packed *block = pack(probes, false, &arena);

	if (block) {
		block->before = last;
		block->number = before ? before->number + 1 : 1;
		at = copy_out(session, block, block->size);
	}
	trace_arena_deinit(&arena);
	if (!at)
		return -EP_NO_MEMORY;
	atomic_store(&process->changes, at);
	say_published(session, process, probes);
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

struct block {
	struct packed head;
	const struct packed_probe *probes;
	const char *strings;
	uint64_t strings_left; /* bytes: each is of one name */
};

/* Does it say the same about its size as who led us to it? */
static bool is_of_size(const struct packed *head, uint64_t size)
{
	uint64_t used = sizeof(*head) + head->probe_count * sizeof(struct packed_probe);

	return head->probe_count <= TRACE_RECORD_PROBES && used < size &&
	       head->strings_size == size - used;
}

/* What stands in the session may change at any time: the copy is looked at again. */
static bool open_block(char *copy, uint64_t size, struct block *ret)
{
	memcpy(&ret->head, copy, sizeof(ret->head));
	if (!is_of_size(&ret->head, size))
		return false;
	copy[size - 1] = '\0';
	ret->strings_left = ret->head.strings_size;
	ret->probes = (const void *)(copy + sizeof(ret->head));
	ret->strings = (const char *)(ret->probes + ret->head.probe_count);
	return true;
}

/* NULL: nonsense. Not longer than all of them together, or what we write of them has no end. */
static const char *string_at(struct block *block, uint32_t at)
{
	const char *ret = block->strings + at;
	size_t size;

	if (at >= block->head.strings_size)
		return NULL;
	size = strlen(ret) + 1;
	if (size > block->strings_left)
		return NULL;
	block->strings_left -= size;
	return ret;
}

static bool read_view(struct block *block, const struct packed_probe *from,
		      const struct trace_definitions *definitions, struct trace_view *ret)
{
	const char *note = string_at(block, from->note);

	if (from->plan > EP_PLAN_REFUSED || from->definition >= definitions->count)
		return false;
	*ret = trace_view_of(&definitions->list[from->definition]);
	ret->event = string_at(block, from->event);
	ret->place = string_at(block, from->place);
	ret->insn = string_at(block, from->insn);
	ret->note = note && *note ? note : NULL;
	ret->definition = from->definition;
	ret->reason = from->reason;
	ret->plan = from->plan;
	ret->ways_out = from->ways_out;
	ret->counter = from->counter;
	ret->return_counter = from->return_counter;
	return ret->event && ret->place && ret->insn && note;
}

/* Room for @count views that are this process's alone. */
static int make_room(struct trace_published *published, uint32_t count, struct trace_arena *arena)
{
	uint32_t room = 2 * count + 64;
	struct trace_view *views;

	if (!published->is_shared && count <= published->room)
		return 0;
	views = trace_arena_alloc(arena, room * sizeof(*views));
	if (!views)
		return -EP_NO_MEMORY;
	if (published->count)
		memcpy(views, published->views, published->count * sizeof(*views));
	published->views = views;
	published->room = room;
	published->is_shared = false;
	return 0;
}

/* Each is there already, or the next one: no entry stays empty. */
static int read_views(struct block *block, struct trace_published *ret)
{
	for (uint32_t i = 0; i < block->head.probe_count; i++) {
		const struct packed_probe *from = &block->probes[i];
		struct trace_view view;

		if (from->index > ret->count || from->index >= ret->room ||
		    !read_view(block, from, ret->definitions, &view))
			return -EP_INVALID;
		ret->views[from->index] = view;
		ret->count += from->index == ret->count;
	}
	return 0;
}

static int read_block(const struct trace_session *session, uint64_t at, uint64_t size,
		      struct trace_arena *arena, struct trace_published *ret)
{
	const void *from =
		size > sizeof(struct packed) ? trace_session_at(session, at, size) : NULL;
	struct block block;
	char *copy;
	int error;

	if (!from)
		return -EP_INVALID;
	memcpy(&block.head, from, sizeof(block.head));
	if (!is_of_size(&block.head, size))
		return -EP_INVALID;
	copy = trace_arena_copy(arena, from, size);
	trace_session_forget(session, from, size);
	if (!copy)
		return -EP_NO_MEMORY;
	if (!open_block(copy, size, &block) ||
	    ret->count + (uint64_t)block.head.probe_count > TRACE_RECORD_PROBES)
		return -EP_INVALID;
	error = make_room(ret, ret->count + (uint32_t)block.head.probe_count, arena);
	return error ? error : read_views(&block, ret);
}

struct change {
	uint64_t at, size, number;
	struct change *next; /* that was published behind it */
};

/* The list is read from its end: this turns it round. Numbers fall, so that it has one. */
static int list_changes(const struct trace_session *session, uint64_t last, uint64_t known,
			struct trace_arena *arena, struct change **ret)
{
	uint64_t number = UINT64_MAX, count = 0, before;

	*ret = NULL;
	while (last && last != known) {
		const volatile struct packed *from =
			trace_session_at(session, last, sizeof(struct packed));
		struct change *change = trace_arena_alloc(arena, sizeof(*change));

		if (!change)
			return -EP_NO_MEMORY;
		if (!from || ++count > CHANGES_MAX)
			return -EP_INVALID;
		*change = (struct change){last, from->size, from->number, *ret};
		before = from->before;
		trace_session_forget(session, (const void *)from, sizeof(struct packed));
		if (change->number >= number)
			return -EP_INVALID;
		number = change->number;
		last = before;
		*ret = change;
	}
	return 0;
}

static int read_changes(const struct trace_session *session, uint64_t last,
			struct trace_arena *arena, struct trace_published *ret)
{
	struct trace_arena scratch = {0};
	struct change *change;
	int error = list_changes(session, last, ret->changes, &scratch, &change);

	for (; change && !error; change = change->next)
		error = read_block(session, change->at, change->size, arena, ret);
	trace_arena_deinit(&scratch);
	if (!error)
		ret->changes = last;
	return error;
}

int trace_publish_read(const struct trace_session *session, const struct trace_process *process,
		       struct trace_arena *arena, struct trace_published *ret)
{
	struct trace_published read = *ret;
	int error = 0;

	if (!read.set || read.set != process->set) {
		read = (struct trace_published){.definitions = ret->definitions,
						.set = process->set};
		error = read_block(session, process->set, process->set_size, arena, &read);
	}
	if (!error)
		error = read_changes(session, atomic_load(&process->changes), arena, &read);
	if (!error)
		*ret = read;
	return error;
}
