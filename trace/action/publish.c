// SPDX-License-Identifier: MIT
/*
 * One block in the session's heap: probes, then arguments, then the strings of both. Offsets, not
 * pointers and not addresses: programs executed one after the other mostly have equal blocks, and
 * share one then. The reader copies the block first and checks the copy, so that nothing can change
 * between check and use.
 */
#include "trace/action/publish.h"

#include <string.h>

#define LOOK_BACK 64 /* processes */

struct packed_probe {
	uint32_t group, event, place, insn, note; /* offsets among the strings */
	uint32_t arg_first, arg_count;
	uint32_t definition;
	int32_t reason;
	uint32_t plan;
	uint32_t counter;
};

struct packed_arg {
	uint32_t name;
	uint32_t type;
};

struct packed {
	uint32_t probe_count, arg_count;
	uint64_t strings_size;
};

struct writer {
	struct packed_probe *probe;
	struct packed_arg *arg;
	char *strings;
	uint32_t arg_count, strings_used;
};

/* In the block, "" stands for none. */
static const char *note_of(const struct trace_view *view)
{
	return view->note ? view->note : "";
}

static uint64_t strings_of(const struct trace_view *view)
{
	uint64_t ret = strlen(view->group) + strlen(view->event) + strlen(view->place) +
		       strlen(view->insn) + strlen(note_of(view)) + 5;

	for (uint32_t i = 0; i < view->arg_count; i++)
		ret += strlen(view->args[i].name) + 1;
	return ret;
}

static uint64_t measure(const struct trace_probes *probes, struct packed *ret)
{
	*ret = (struct packed){.probe_count = (uint32_t)probes->count, .strings_size = 1};
	for (size_t i = 0; i < probes->count; i++) {
		ret->arg_count += probes->list[i].view.arg_count;
		ret->strings_size += strings_of(&probes->list[i].view);
	}
	return sizeof(*ret) + ret->probe_count * sizeof(struct packed_probe) +
	       ret->arg_count * sizeof(struct packed_arg) + ret->strings_size;
}

static uint32_t put_string(struct writer *writer, const char *text)
{
	uint32_t at = writer->strings_used;
	size_t size = strlen(text) + 1;

	memcpy(writer->strings + at, text, size);
	writer->strings_used += (uint32_t)size;
	return at;
}

static void put_view(struct writer *writer, const struct trace_view *view)
{
	*writer->probe++ = (struct packed_probe){
		.group = put_string(writer, view->group),
		.event = put_string(writer, view->event),
		.place = put_string(writer, view->place),
		.insn = put_string(writer, view->insn),
		.note = put_string(writer, note_of(view)),
		.arg_first = writer->arg_count,
		.arg_count = view->arg_count,
		.definition = view->definition,
		.reason = view->reason,
		.plan = view->plan,
		.counter = view->counter,
	};
	for (uint32_t i = 0; i < view->arg_count; i++)
		writer->arg[writer->arg_count++] = (struct packed_arg){
			put_string(writer, view->args[i].name), view->args[i].type};
}

static struct packed *pack(const struct trace_probes *probes, struct trace_arena *arena,
			   uint64_t *ret_size)
{
	struct packed packed;
	uint64_t size = measure(probes, &packed);
	struct packed *ret = trace_arena_alloc(arena, size);
	struct writer writer = {0};

	if (!ret)
		return NULL;
	*ret = packed;
	writer.probe = (struct packed_probe *)(void *)(ret + 1);
	writer.arg = (struct packed_arg *)(void *)(writer.probe + packed.probe_count);
	writer.strings = (char *)(writer.arg + packed.arg_count);
	for (size_t i = 0; i < probes->count; i++)
		put_view(&writer, &probes->list[i].view);
	*ret_size = size;
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

static uint64_t share(const struct trace_session *session, const void *block, uint64_t size)
{
	uint64_t at = find_equal(session, block, size);
	void *to;

	if (at)
		return at;
	at = trace_session_alloc(session, size);
	to = trace_session_at(session, at, size);
	if (!at || !to)
		return 0;
	memcpy(to, block, size);
	return at;
}

int trace_publish(const struct trace_session *session, struct trace_process *process,
		  const struct trace_probes *probes)
{
	struct trace_arena arena = {0};
	uint64_t size, set;
	struct packed *block = pack(probes, &arena, &size);

	set = block ? share(session, block, size) : 0;
	trace_arena_deinit(&arena);
	if (!set)
		return -EP_NO_MEMORY;
	process->set = set;
	process->set_size = size;
	process->probe_count = (uint32_t)probes->count;
	atomic_store(&process->state, TRACE_PROCESS_RUNNING);
	atomic_fetch_add(&process->revision, 1);
	atomic_fetch_add(&session->shared->revision, 1);
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

struct block {
	struct packed head;
	const struct packed_probe *probes;
	const struct packed_arg *args;
	const char *strings;
};

static bool open_block(char *copy, uint64_t size, struct block *ret)
{
	const uint64_t limit = 1u << 24;
	uint64_t used;

	if (size <= sizeof(ret->head))
		return false;
	memcpy(&ret->head, copy, sizeof(ret->head));
	if (ret->head.probe_count > limit || ret->head.arg_count > limit)
		return false;
	used = sizeof(ret->head) + ret->head.probe_count * sizeof(*ret->probes) +
	       ret->head.arg_count * sizeof(*ret->args);
	if (used >= size || ret->head.strings_size != size - used)
		return false;
	copy[size - 1] = '\0';
	ret->probes = (const void *)(copy + sizeof(ret->head));
	ret->args = (const void *)(ret->probes + ret->head.probe_count);
	ret->strings = (const char *)(ret->args + ret->head.arg_count);
	return true;
}

static const char *string_at(const struct block *block, uint32_t at)
{
	return at < block->head.strings_size ? block->strings + at : "?";
}

static bool read_args(const struct block *block, const struct packed_probe *from,
		      struct trace_arg *args)
{
	if (from->arg_count > TRACE_ARGS_MAX || from->arg_first > block->head.arg_count ||
	    from->arg_count > block->head.arg_count - from->arg_first)
		return false;
	for (uint32_t i = 0; i < from->arg_count; i++) {
		const struct packed_arg *arg = &block->args[from->arg_first + i];

		if (arg->type >= TRACE_TYPE_COUNT)
			return false;
		args[from->arg_first + i] = (struct trace_arg){.name = string_at(block, arg->name),
							       .type = (uint8_t)arg->type};
	}
	return true;
}

static bool read_view(const struct block *block, const struct packed_probe *from,
		      struct trace_arg *args, struct trace_view *ret)
{
	const char *note = string_at(block, from->note);

	if (from->plan > EP_PLAN_REFUSED || !read_args(block, from, args))
		return false;
	*ret = (struct trace_view){
		.group = string_at(block, from->group),
		.event = string_at(block, from->event),
		.place = string_at(block, from->place),
		.insn = string_at(block, from->insn),
		.note = *note ? note : NULL,
		.args = args + from->arg_first,
		.arg_count = from->arg_count,
		.definition = from->definition,
		.reason = from->reason,
		.plan = from->plan,
		.counter = from->counter,
	};
	return true;
}

int trace_publish_read(const struct trace_session *session, const struct trace_process *process,
		       struct trace_arena *arena, struct trace_view **ret, uint32_t *ret_count)
{
	uint64_t size = process->set_size, at = process->set;
	const void *from = trace_session_at(session, at, size);
	struct trace_view *views;
	struct trace_arg *args;
	struct block block;
	char *copy;

	if (!from)
		return -EP_INVALID;
	copy = trace_arena_copy(arena, from, size);
	if (!copy)
		return -EP_NO_MEMORY;
	if (!open_block(copy, size, &block))
		return -EP_INVALID;
	views = trace_arena_alloc(arena, (block.head.probe_count + 1) * sizeof(*views));
	args = trace_arena_alloc(arena, (block.head.arg_count + 1) * sizeof(*args));
	if (!views || !args)
		return -EP_NO_MEMORY;
	for (uint32_t i = 0; i < block.head.probe_count; i++)
		if (!read_view(&block, &block.probes[i], args, &views[i]))
			return -EP_INVALID;
	*ret = views;
	*ret_count = block.head.probe_count;
	return 0;
}
