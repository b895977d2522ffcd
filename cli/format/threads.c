/* SPDX-License-Identifier: MIT */
/*
 * The calls of a thread that have ended are a stack: a call that ends has made all those on its top that
 * have begun after it. Which call began first is decided by the session's clock, by which they were taken;
 * nanoseconds are worked out at different times, with more or less known of the clock, and could
 * disagree by a few. So they are moved to fit: programs that show slices want them nested.
 */
#include "cli/format/threads.h"

#include <stdlib.h>
#include <string.h>

static bool make_room_for_one(struct threads *threads)
{
	size_t room = threads->room ? 2 * threads->room : 64;
	struct thread **list;

	if (threads->count < threads->room)
		return true;
	list = reallocarray(threads->list, room, sizeof(struct thread *));
	if (!list)
		return false;
	threads->list = list;
	threads->room = room;
	return true;
}

static struct thread *add(struct threads *threads, const struct trace_event *event, uint64_t key)
{
	struct thread *ret = calloc(1, sizeof(*ret));

	if (!ret)
		return NULL;
	ret->key = key;
	ret->pid = event->pid;
	ret->tid = event->tid;
	ret->is_new = true;
	ret->is_main = event->pid == event->tid;
	names_number(&threads->processes, (const char *)&event->pid, sizeof(event->pid),
		     &ret->is_of_new_process);
	threads->list[threads->count++] = ret;
	return ret;
}

static struct thread *find(struct threads *threads, const struct trace_event *event, uint64_t key)
{
	uint32_t number;

	if (!make_room_for_one(threads))
		return NULL;
	number = names_number(&threads->keys, (const char *)&key, sizeof(key), NULL);
	if (!number || number > threads->count + 1)
		return NULL;
	if (number > threads->count)
		return add(threads, event, key);
	threads->list[number - 1]->is_new = threads->list[number - 1]->is_of_new_process = false;
	return threads->list[number - 1];
}

struct thread *threads_of(struct threads *threads, const struct trace_event *event)
{
	uint64_t key = (uint64_t)event->process << 32 | (uint32_t)event->tid;
	struct thread *ret = threads->last;

	if (ret && ret->key == key)
		ret->is_new = ret->is_of_new_process = false;
	else
		ret = find(threads, event, key);
	if (!ret)
		return NULL;
	threads->last = ret;
	ret->is_renamed = ret->is_new || strcmp(ret->comm, event->comm) != 0;
	memcpy(ret->comm, event->comm, sizeof(ret->comm));
	return ret;
}

/* The first of those on top that have begun no earlier. */
static size_t first_made(const struct thread *thread, uint64_t began)
{
	size_t ret = thread->count;

	while (ret && thread->calls[ret - 1].began >= began)
		ret--;
	return ret;
}

void threads_end(struct threads *threads, struct thread *thread, const struct trace_event *event,
		 struct ended *ret)
{
	size_t first = first_made(thread, event->began);
	uint64_t before = first ? thread->calls[first - 1].to : 0;
	uint64_t from =
		event->nanoseconds > event->duration ? event->nanoseconds - event->duration : 0;

	*ret = (struct ended){
		.call = {.began = event->began, .to = event->nanoseconds},
		.made = thread->calls + first,
		.made_count = thread->count - first,
	};
	if (ret->made_count && from >= ret->made[0].from)
		from = ret->made[0].from ? ret->made[0].from - 1 : 0;
	ret->call.from = from < before ? before : from;
	if (thread->count && thread->calls[thread->count - 1].to > ret->call.to)
		ret->call.to = thread->calls[thread->count - 1].to;
	threads->torn += event->began < thread->forgotten;
}

static void forget_half(struct threads *threads, struct thread *thread)
{
	size_t half = thread->count / 2;

	for (size_t i = 0; threads->forget && i < half; i++)
		threads->forget(threads->data, &thread->calls[i]);
	thread->forgotten = thread->calls[half - 1].began + 1;
	memmove(thread->calls, thread->calls + half,
		(thread->count - half) * sizeof(*thread->calls));
	thread->count -= half;
}

static bool make_room(struct threads *threads, struct thread *thread)
{
	size_t room = thread->room ? 2 * thread->room : 16;
	struct call *calls;

	if (thread->count < thread->room)
		return true;
	if (thread->count >= threads->calls_max) {
		forget_half(threads, thread);
		return true;
	}
	calls = reallocarray(thread->calls, room, sizeof(*calls));
	if (!calls)
		return false;
	thread->calls = calls;
	thread->room = room;
	return true;
}

bool threads_add(struct threads *threads, struct thread *thread, const struct ended *ended)
{
	thread->count -= ended->made_count;
	if (!make_room(threads, thread))
		return false;
	thread->calls[thread->count++] = ended->call;
	return true;
}

void threads_each(struct threads *threads, void (*each)(void *data, struct call *call), void *data)
{
	for (size_t i = 0; i < threads->count; i++)
		for (size_t k = 0; k < threads->list[i]->count; k++)
			each(data, &threads->list[i]->calls[k]);
}

void threads_deinit(struct threads *threads)
{
	for (size_t i = 0; i < threads->count; i++) {
		free(threads->list[i]->calls);
		free(threads->list[i]);
	}
	free(threads->list);
	names_deinit(&threads->keys);
	names_deinit(&threads->processes);
	threads->list = NULL;
	threads->last = NULL;
	threads->count = threads->room = 0;
}
