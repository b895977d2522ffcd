/* SPDX-License-Identifier: MIT */
/*
 * Where every call is wanted, it is an event where it begins and another one where it ends: so what runs for
 * hours, or never ends, is seen when it begins. Whether a call has others in it is not known then: its first
 * line waits until the thread's next event, but not for long.
 *
 * Where calls below some duration are not wanted, only ends are events, and only of those that took as long: the
 * program is not held up by millions of short ones. Children end before their parents: they wait until the
 * outermost call of the thread ends, or for a second. What could not wait is shown in front of its parent, which
 * then has a last line only.
 *
 * Calls that were left by a jump are noticed late, and coroutines take turns: nothing relies on calls ending in
 * the order of their beginnings.
 */
#include "cli/graph.h"

#include <stdlib.h>
#include <string.h>

#include "trace/session/shared.h"

#define PATIENCE      100000000ull /* nanoseconds that a first line waits */
#define PATIENCE_ENDS 1000000000ull
#define HELD_MAX      4096u /* calls of a thread */
#define DEPTH_MAX     16384u
#define THREADS	      4096u /* lists of them, hashed */

/* A call that has not ended, or has not been shown. */
struct call {
	const struct trace_view *view;
	uint64_t began, depth;
	uint64_t duration, ended; /* nanoseconds; CLOCK_MONOTONIC */
	enum ep_end end;
};

struct thread {
	struct thread *next;
	struct trace_event who; /* an event of it, for whose line it is */
	struct call *calls;
	size_t count, room;
	bool waits;	     /* the first line of the last of them */
	uint64_t since;	     /* when the oldest of what waits came */
	uint64_t shown_from; /* calls that began before have some of theirs above */
};

struct graph {
	struct graph_settings settings;
	struct sheet *sheet;
	struct thread *threads[THREADS];
	struct graph_totals totals;
	size_t waiting; /* threads that have something to be shown */
};

struct graph *graph_create(const struct graph_settings *settings, struct sheet *sheet)
{
	struct graph *ret = calloc(1, sizeof(*ret));

	if (!ret)
		return NULL;
	ret->settings = *settings;
	ret->sheet = sheet;
	return ret;
}

static struct thread *thread_of(struct graph *graph, const struct trace_event *event)
{
	struct thread **list =
		&graph->threads[(event->process * 31u + (uint32_t)event->tid) % THREADS];
	struct thread *ret = *list;

	while (ret && (ret->who.tid != event->tid || ret->who.process != event->process))
		ret = ret->next;
	if (!ret) {
		ret = calloc(1, sizeof(*ret));
		if (!ret)
			return NULL;
		ret->next = *list;
		*list = ret;
		graph->totals.threads++;
	}
	ret->who = *event;
	return ret;
}

/* Without memory, or room: false. */
static bool add_call(struct thread *thread, struct call call)
{
	if (thread->count == thread->room) {
		size_t room = thread->room ? 2 * thread->room : 64;
		struct call *grown =
			room > DEPTH_MAX ? NULL : reallocarray(thread->calls, room, sizeof(*grown));

		if (!grown)
			return false;
		thread->calls = grown;
		thread->room = room;
	}
	thread->calls[thread->count++] = call;
	return true;
}

/* ---- lines --------------------------------------------------------------------------------- */

static const char *name_of(struct graph *graph, const struct trace_view *view)
{
	const struct trace_definitions *all = graph->settings.definitions;
	const char *object =
		view->definition < all->count ? all->list[view->definition].place.object : NULL;

	return sheet_name(graph->sheet, view, object && *object);
}

/* C++ and Rust have the types behind the name. */
static void put_name(struct graph *graph, const struct trace_view *view)
{
	const char *name = name_of(graph, view);

	sheet_put(graph->sheet, SHEET_PLAIN, name);
	if (!strchr(name, '('))
		sheet_put(graph->sheet, SHEET_PLAIN, "()");
}

static void put_end(struct graph *graph, enum ep_end end)
{
	static const char *const ends[] = {"", " <- unwind", " <- jump", " <- exit"};

	if (end != EP_END_RETURN)
		sheet_put(graph->sheet, SHEET_WRONG, ends[end]);
}

static void put_first(struct graph *graph, const struct thread *thread, const struct call *call,
		      size_t depth)
{
	sheet_begin(graph->sheet, &thread->who, UINT64_MAX);
	sheet_indent(graph->sheet, (unsigned int)depth);
	put_name(graph, call->view);
	sheet_put(graph->sheet, SHEET_PLAIN, " {");
	sheet_end(graph->sheet);
}

static void put_whole(struct graph *graph, const struct thread *thread, const struct call *call,
		      size_t depth)
{
	sheet_begin(graph->sheet, &thread->who, call->duration);
	sheet_indent(graph->sheet, (unsigned int)depth);
	put_name(graph, call->view);
	sheet_put(graph->sheet, SHEET_PLAIN, ";");
	put_end(graph, call->end);
	sheet_end(graph->sheet);
}

static void put_last(struct graph *graph, const struct thread *thread, const struct call *call,
		     size_t depth)
{
	sheet_begin(graph->sheet, &thread->who, call->duration);
	sheet_indent(graph->sheet, (unsigned int)depth);
	sheet_put(graph->sheet, SHEET_PLAIN, "}");
	sheet_put(graph->sheet, SHEET_DIM, " // ");
	sheet_put(graph->sheet, SHEET_DIM, name_of(graph, call->view));
	put_end(graph, call->end);
	sheet_end(graph->sheet);
}

/* ---- events at both ends ------------------------------------------------------------------- */

static void stop_waiting(struct graph *graph, struct thread *thread)
{
	graph->waiting -= thread->waits;
	thread->waits = false;
}

static void start_waiting(struct graph *graph, struct thread *thread, uint64_t since)
{
	if (!thread->waits)
		thread->since = since;
	graph->waiting += !thread->waits;
	thread->waits = true;
}

static void show_first(struct graph *graph, struct thread *thread)
{
	if (!thread->waits)
		return;
	put_first(graph, thread, &thread->calls[thread->count - 1], thread->count - 1);
	stop_waiting(graph, thread);
}

static void enter(struct graph *graph, struct thread *thread, const struct trace_event *event)
{
	const struct call call = {.view = event->view, .began = event->began};

	show_first(graph, thread);
	if (add_call(thread, call))
		start_waiting(graph, thread, event->nanoseconds);
}

/* SIZE_MAX: its beginning was not seen. */
static size_t find_call(const struct thread *thread, const struct trace_event *event)
{
	for (size_t i = thread->count; i-- > 0;)
		if (thread->calls[i].began == event->began &&
		    strcmp(thread->calls[i].view->place, event->view->place) == 0)
			return i;
	return SIZE_MAX;
}

static void leave(struct graph *graph, struct thread *thread, const struct trace_event *event)
{
	const struct call call = {
		.view = event->view, .duration = event->duration, .end = event->end};
	size_t at = find_call(thread, event);

	graph->totals.calls++;
	if (thread->waits && at == thread->count - 1) {
		put_whole(graph, thread, &call, at);
		stop_waiting(graph, thread);
	} else {
		show_first(graph, thread);
		if (at == SIZE_MAX)
			put_whole(graph, thread, &call, thread->count);
		else
			put_last(graph, thread, &call, at);
	}
	if (at == SIZE_MAX)
		return;
	memmove(&thread->calls[at], &thread->calls[at + 1],
		(thread->count - at - 1) * sizeof(*thread->calls));
	thread->count--;
}

/* ---- events at ends ------------------------------------------------------------------------ */

static int by_beginning(const void *a, const void *b)
{
	const struct call *left = a, *right = b;

	if (left->began != right->began)
		return left->began < right->began ? -1 : 1;
	return left->depth < right->depth ? -1 : left->depth > right->depth;
}

/* Those that are not shown to their ends: indices, the outermost one first. */
struct open_calls {
	size_t list[HELD_MAX];
	size_t count;
};

static void close_from(struct graph *graph, const struct thread *thread, struct open_calls *open,
		       uint64_t depth)
{
	while (open->count) {
		const struct call *call = &thread->calls[open->list[open->count - 1]];

		if (call->depth < depth)
			return;
		put_last(graph, thread, call, call->depth - 1);
		open->count--;
	}
}

static void show_held(struct graph *graph, struct thread *thread)
{
	static struct open_calls open;

	qsort(thread->calls, thread->count, sizeof(*thread->calls), by_beginning);
	for (size_t i = 0; i < thread->count; i++) {
		const struct call *call = &thread->calls[i];
		bool has_some = call->began < thread->shown_from;
		bool has_more = i + 1 < thread->count && call[1].depth > call->depth;

		close_from(graph, thread, &open, call->depth);
		if (!has_some && !has_more) {
			put_whole(graph, thread, call, call->depth - 1);
			continue;
		}
		if (!has_some)
			put_first(graph, thread, call, call->depth - 1);
		open.list[open.count++] = i;
	}
	close_from(graph, thread, &open, 0);
	thread->count = 0;
	stop_waiting(graph, thread);
}

static uint64_t depth_of(const struct trace_event *event)
{
	for (uint32_t i = 0; i < event->view->arg_count; i++)
		if (strcmp(event->view->args[i].name, GRAPH_DEPTH) == 0)
			return event->values[event->view->args[i].value];
	return 1;
}

static void hold(struct graph *graph, struct thread *thread, const struct trace_event *event)
{
	const struct call call = {.view = event->view,
				  .began = event->began,
				  .depth = depth_of(event),
				  .duration = event->duration,
				  .ended = event->time,
				  .end = event->end};

	graph->totals.calls++;
	if (!call.depth || !add_call(thread, call))
		return;
	start_waiting(graph, thread, event->nanoseconds);
	if (call.depth > 1 && thread->count < HELD_MAX)
		return;
	show_held(graph, thread);
	if (call.depth > 1)
		thread->shown_from = call.ended;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void put_other(struct graph *graph, struct thread *thread, const struct trace_event *event)
{
	if (!graph->settings.ends_only)
		show_first(graph, thread);
	sheet_other(graph->sheet, event,
		    graph->settings.ends_only ? 0 : (unsigned int)thread->count);
}

void graph_event(struct graph *graph, const struct trace_event *event)
{
	bool is_ours = event->is_timed && strcmp(event->view->group, GRAPH_GROUP) == 0;
	bool is_entry = (uint32_t)event->end == TRACE_END_ENTRY;
	struct thread *thread = thread_of(graph, event);

	if (!thread)
		return;
	if (!is_ours && !is_entry)
		put_other(graph, thread, event);
	else if (is_ours && graph->settings.ends_only && !is_entry)
		hold(graph, thread, event);
	else if (is_ours && is_entry)
		enter(graph, thread, event);
	else if (is_ours)
		leave(graph, thread, event);
}

static void show_thread(struct graph *graph, struct thread *thread)
{
	if (!graph->settings.ends_only) {
		show_first(graph, thread);
		return;
	}
	show_held(graph, thread);
	thread->shown_from = thread->who.time;
}

void graph_show(struct graph *graph, uint64_t now)
{
	uint64_t patience = graph->settings.ends_only ? PATIENCE_ENDS : PATIENCE;

	for (size_t i = 0; i < THREADS && graph->waiting; i++)
		for (struct thread *thread = graph->threads[i]; thread; thread = thread->next)
			if (thread->waits && (now == UINT64_MAX || now > thread->since + patience))
				show_thread(graph, thread);
	sheet_flush(graph->sheet);
}

struct graph_totals graph_total(const struct graph *graph)
{
	struct graph_totals ret = graph->totals;

	for (size_t i = 0; i < THREADS && !graph->settings.ends_only; i++)
		for (struct thread *thread = graph->threads[i]; thread; thread = thread->next)
			ret.running += thread->count;
	return ret;
}
