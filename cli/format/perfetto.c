/* SPDX-License-Identifier: MIT */
/*
 * A Perfetto trace is one message, a list of packets (protos/perfetto/trace/trace_packet.proto there). What
 * a packet refers to stands in front of it: the descriptor of its track (process, thread, counter), and
 * the names that have numbers.
 *
 * An event of a call comes at its end. It becomes two packets, the begin of a slice and its end; so the
 * begins of calls come late, behind those of the calls that they have made. Perfetto sorts packets by time
 * when it reads a file, those of the same time stay in their order. So it is enough that slices of a thread
 * are nested, and that an outer one begins earlier, which threads.c sees to.
 *
 * Times are CLOCK_MONOTONIC's. The first packet says so, and has a reading of it and of the clocks that
 * other traces may use, so that they can be laid beside each other.
 */
#include "cli/format/perfetto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/format/proto.h"
#include "cli/format/threads.h"
#include "trace/report/format.h"

#define SEQUENCE  1	    /* all packets are of one writer */
#define CALLS_MAX (1 << 16) /* of a thread that an outer one is looked for */
#define NAME	  8192	    /* bytes of a name, at most */
#define PROCESS	  (1ull << 63)
#define COUNTER	  (1ull << 62)

/* Numbers of fields; of messages in messages likewise. */
enum { TRACE_PACKET = 1 };
enum packet {
	PACKET_CLOCK_SNAPSHOT = 6,
	PACKET_TIMESTAMP = 8,
	PACKET_SEQUENCE = 10,
	PACKET_TRACK_EVENT = 11,
	PACKET_INTERNED = 12,
	PACKET_FLAGS = 13,
	PACKET_CLOCK = 58,
	PACKET_DEFAULTS = 59,
	PACKET_TRACK = 60,
	PACKET_IS_FIRST = 87,
};
enum { FLAG_CLEARED = 1, FLAG_NEEDS = 2 };
enum { SNAPSHOT_CLOCK = 1, SNAPSHOT_PRIMARY = 2 };
enum { CLOCK_ID = 1, CLOCK_TIME = 2 };
enum { BUILTIN_REALTIME = 1, BUILTIN_MONOTONIC = 3, BUILTIN_BOOTTIME = 6 };
enum { TRACK_UUID = 1, TRACK_NAME = 2, TRACK_PROCESS = 3, TRACK_THREAD = 4, TRACK_PARENT = 5 };
enum { TRACK_COUNTER = 8 };
enum { PROCESS_PID = 1, PROCESS_NAME = 6 };
enum { THREAD_PID = 1, THREAD_TID = 2, THREAD_NAME = 5 };
enum event_field {
	EVENT_CATEGORY = 3,
	EVENT_ANNOTATION = 4,
	EVENT_TYPE = 9,
	EVENT_NAME = 10,
	EVENT_TRACK = 11,
	EVENT_COUNTER = 30,
	EVENT_COUNTER_DOUBLE = 44,
};
enum { TYPE_BEGIN = 1, TYPE_END = 2, TYPE_INSTANT = 3, TYPE_COUNTER = 4 };
enum annotation {
	ANNOTATION_NAME = 1,
	ANNOTATION_UNSIGNED = 3,
	ANNOTATION_SIGNED = 4,
	ANNOTATION_DOUBLE = 5,
	ANNOTATION_STRING = 6,
	ANNOTATION_POINTER = 7,
	ANNOTATION_STRING_NUMBER = 17,
};
enum interned {
	INTERNED_CATEGORIES = 1,
	INTERNED_EVENTS = 2,
	INTERNED_ANNOTATIONS = 3,
	INTERNED_STRINGS = 29,
};

struct perfetto {
	const struct counters *counters;
	struct threads threads;
	struct names names[INTERNED_STRINGS + 1]; /* by enum interned */
	struct names tracks;			  /* of counters */
	char value[TRACE_ARGS_TEXT + 64];
};

/* ---- packets --------------------------------------------------------------------------------- */

static size_t open_packet(struct trace_text *text)
{
	size_t packet = proto_open(text, TRACE_PACKET);

	proto_number(text, PACKET_SEQUENCE, SEQUENCE);
	return packet;
}

static void put_clock(struct trace_text *text, unsigned int id, clockid_t clock)
{
	size_t opened = proto_open(text, SNAPSHOT_CLOCK);
	struct timespec time;

	clock_gettime(clock, &time);
	proto_number(text, CLOCK_ID, id);
	proto_number(text, CLOCK_TIME, (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec);
	proto_close(text, opened);
}

static void put_clocks(struct trace_text *text)
{
	size_t packet = open_packet(text), snapshot = proto_open(text, PACKET_CLOCK_SNAPSHOT);

	put_clock(text, BUILTIN_MONOTONIC, CLOCK_MONOTONIC);
	put_clock(text, BUILTIN_BOOTTIME, CLOCK_BOOTTIME);
	put_clock(text, BUILTIN_REALTIME, CLOCK_REALTIME);
	proto_number(text, SNAPSHOT_PRIMARY, BUILTIN_MONOTONIC);
	proto_close(text, snapshot);
	proto_close(text, packet);
}

static int begin(const struct trace_format_writer *writer, const struct trace_sink *sink)
{
	char buffer[512];
	struct trace_text text = {buffer, sizeof(buffer), 0};
	size_t packet = open_packet(&text), defaults;

	(void)writer;
	proto_number(&text, PACKET_FLAGS, FLAG_CLEARED);
	proto_number(&text, PACKET_IS_FIRST, 1);
	defaults = proto_open(&text, PACKET_DEFAULTS);
	proto_number(&text, PACKET_CLOCK, BUILTIN_MONOTONIC);
	proto_close(&text, defaults);
	proto_close(&text, packet);
	put_clocks(&text);
	return sink->write(sink->data, buffer, text.used);
}

/* ---- tracks ---------------------------------------------------------------------------------- */

static uint64_t process_track(const struct trace_event *event)
{
	return PROCESS | (uint32_t)event->pid;
}

static uint64_t thread_track(const struct trace_event *event)
{
	return (uint64_t)(uint32_t)event->pid << 31 | (uint32_t)event->tid;
}

static void describe_process(struct trace_text *text, const struct trace_event *event)
{
	size_t packet = open_packet(text), track = proto_open(text, PACKET_TRACK), process;

	proto_number(text, TRACK_UUID, process_track(event));
	process = proto_open(text, TRACK_PROCESS);
	proto_number(text, PROCESS_PID, (uint32_t)event->pid);
	proto_string(text, PROCESS_NAME, event->comm, NAME);
	proto_close(text, process);
	proto_close(text, track);
	proto_close(text, packet);
}

static void describe_thread(struct trace_text *text, const struct trace_event *event)
{
	size_t packet = open_packet(text), track = proto_open(text, PACKET_TRACK), thread;

	proto_number(text, TRACK_UUID, thread_track(event));
	proto_number(text, TRACK_PARENT, process_track(event));
	thread = proto_open(text, TRACK_THREAD);
	proto_number(text, THREAD_PID, (uint32_t)event->pid);
	proto_number(text, THREAD_TID, (uint32_t)event->tid);
	proto_string(text, THREAD_NAME, event->comm, NAME);
	proto_close(text, thread);
	proto_close(text, track);
	proto_close(text, packet);
}

static void describe_counter(struct trace_text *text, const struct trace_event *event,
			     uint64_t uuid, const char *name)
{
	size_t packet = open_packet(text), track = proto_open(text, PACKET_TRACK);

	proto_number(text, TRACK_UUID, uuid);
	proto_number(text, TRACK_PARENT, process_track(event));
	proto_string(text, TRACK_NAME, name, NAME);
	proto_close(text, proto_open(text, TRACK_COUNTER));
	proto_close(text, track);
	proto_close(text, packet);
}

/* ---- names that have numbers ------------------------------------------------------------------ */

static void intern(struct perfetto *perfetto, struct trace_text *text, enum interned kind,
		   const char *name, size_t *packet)
{
	bool is_new;
	uint32_t number = names_number_of(&perfetto->names[kind], name, &is_new);
	size_t entry;

	if (!is_new)
		return;
	if (!*packet)
		*packet = proto_open(text, PACKET_INTERNED);
	entry = proto_open(text, kind);
	proto_number(text, 1, number);
	proto_string(text, 2, name, NAME);
	proto_close(text, entry);
}

static uint32_t number_of(struct perfetto *perfetto, enum interned kind, const char *name)
{
	return names_number_of(&perfetto->names[kind], name, NULL);
}

/* What is new of them, in the packet that uses them first. */
static void put_names(struct perfetto *perfetto, struct trace_text *text,
		      const struct trace_view *view)
{
	size_t interned = 0;

	intern(perfetto, text, INTERNED_CATEGORIES, view->group, &interned);
	intern(perfetto, text, INTERNED_EVENTS, view->event, &interned);
	intern(perfetto, text, INTERNED_STRINGS, view->place, &interned);
	intern(perfetto, text, INTERNED_ANNOTATIONS, "place", &interned);
	intern(perfetto, text, INTERNED_ANNOTATIONS, "end", &interned);
	for (uint32_t i = 0; i < trace_view_shown(view); i++)
		intern(perfetto, text, INTERNED_ANNOTATIONS, view->args[i].name, &interned);
	if (interned)
		proto_close(text, interned);
}

/* ---- events ---------------------------------------------------------------------------------- */

static size_t open_annotation(struct perfetto *perfetto, struct trace_text *text, const char *name)
{
	size_t opened = proto_open(text, EVENT_ANNOTATION);

	proto_number(text, ANNOTATION_NAME, number_of(perfetto, INTERNED_ANNOTATIONS, name));
	return opened;
}

static void put_text(struct perfetto *perfetto, struct trace_text *text, const char *name,
		     const char *value)
{
	size_t opened = open_annotation(perfetto, text, name);

	proto_string(text, ANNOTATION_STRING, value, TRACE_ARGS_TEXT);
	proto_close(text, opened);
}

static void put_place(struct perfetto *perfetto, struct trace_text *text, const char *place)
{
	size_t opened = open_annotation(perfetto, text, "place");

	proto_number(text, ANNOTATION_STRING_NUMBER, number_of(perfetto, INTERNED_STRINGS, place));
	proto_close(text, opened);
}

static void put_number(struct trace_text *text, const struct trace_value *value)
{
	switch (value->kind) {
	case TRACE_VALUE_SIGNED:
		proto_number(text, ANNOTATION_SIGNED, value->number);
		return;
	case TRACE_VALUE_HEX:
		proto_number(text, ANNOTATION_POINTER, value->number);
		return;
	case TRACE_VALUE_DOUBLE:
		proto_double(text, ANNOTATION_DOUBLE, value->number);
		return;
	default:
		proto_number(text, ANNOTATION_UNSIGNED, value->number);
	}
}

static void put_value(struct perfetto *perfetto, struct trace_text *text, const char *name,
		      const struct trace_value *value)
{
	size_t opened;

	if (value->kind == TRACE_VALUE_NONE)
		return;
	if (value->kind == TRACE_VALUE_TEXT) {
		put_text(perfetto, text, name, value->text);
		return;
	}
	opened = open_annotation(perfetto, text, name);
	put_number(text, value);
	proto_close(text, opened);
}

static void put_values(struct perfetto *perfetto, struct trace_text *text,
		       const struct trace_event *event)
{
	const uint64_t *bulks = event->bulks;

	for (uint32_t i = 0; i < trace_view_shown(event->view); i++) {
		struct trace_text room = {perfetto->value, sizeof(perfetto->value), 0};
		struct trace_value value;

		trace_value_take(event, i, &bulks, &room, &value);
		put_value(perfetto, text, event->view->args[i].name, &value);
	}
}

static size_t open_event(struct trace_text *text, uint64_t time, size_t *ret_packet)
{
	*ret_packet = open_packet(text);
	proto_number(text, PACKET_TIMESTAMP, time);
	proto_number(text, PACKET_FLAGS, FLAG_NEEDS);
	return proto_open(text, PACKET_TRACK_EVENT);
}

static void put_end(struct trace_text *text, const struct trace_event *event, uint64_t time)
{
	size_t packet, track_event = open_event(text, time, &packet);

	proto_number(text, EVENT_TYPE, TYPE_END);
	proto_number(text, EVENT_TRACK, thread_track(event));
	proto_close(text, track_event);
	proto_close(text, packet);
}

static void put_event(struct perfetto *perfetto, struct trace_text *text,
		      const struct trace_event *event, uint64_t time, int type)
{
	const struct trace_view *view = event->view;
	size_t packet = open_packet(text), track_event;

	proto_number(text, PACKET_TIMESTAMP, time);
	proto_number(text, PACKET_FLAGS, FLAG_NEEDS);
	put_names(perfetto, text, view);
	track_event = proto_open(text, PACKET_TRACK_EVENT);
	proto_number(text, EVENT_TYPE, (uint64_t)type);
	proto_number(text, EVENT_TRACK, thread_track(event));
	proto_number(text, EVENT_CATEGORY, number_of(perfetto, INTERNED_CATEGORIES, view->group));
	proto_number(text, EVENT_NAME, number_of(perfetto, INTERNED_EVENTS, view->event));
	put_place(perfetto, text, view->place);
	if (event->end != EP_END_RETURN)
		put_text(perfetto, text, "end", trace_format_end(event->end));
	put_values(perfetto, text, event);
	proto_close(text, track_event);
	proto_close(text, packet);
}

/* ---- counters -------------------------------------------------------------------------------- */

static void put_counter(struct perfetto *perfetto, struct trace_text *text,
			const struct trace_event *event, const struct trace_arg *arg,
			const struct trace_value *value)
{
	char name[512];
	int size = snprintf(name, sizeof(name), "%d %.200s.%.100s", event->pid, event->view->event,
			    arg->name);
	bool is_new;
	uint64_t uuid = COUNTER | names_number(&perfetto->tracks, name, (size_t)size, &is_new);
	size_t packet, track_event;

	if (is_new)
		describe_counter(text, event, uuid, strchr(name, ' ') + 1);
	track_event = open_event(text, event->nanoseconds, &packet);
	proto_number(text, EVENT_TYPE, TYPE_COUNTER);
	proto_number(text, EVENT_TRACK, uuid);
	if (value->kind == TRACE_VALUE_DOUBLE)
		proto_double(text, EVENT_COUNTER_DOUBLE, value->number);
	else
		proto_number(text, EVENT_COUNTER, value->number);
	proto_close(text, track_event);
	proto_close(text, packet);
}

static void put_counters(struct perfetto *perfetto, struct trace_text *text,
			 const struct trace_event *event)
{
	const uint64_t *bulks = event->bulks;

	for (uint32_t i = 0; perfetto->counters->count && i < trace_view_shown(event->view); i++) {
		struct trace_text room = {perfetto->value, sizeof(perfetto->value), 0};
		struct trace_value value;

		trace_value_take(event, i, &bulks, &room, &value);
		if (value.kind != TRACE_VALUE_NONE &&
		    counters_have(perfetto->counters, event->view, &event->view->args[i]))
			put_counter(perfetto, text, event, &event->view->args[i], &value);
	}
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void put(const struct trace_format_writer *writer, struct trace_text *text,
		const struct trace_event *event)
{
	struct perfetto *perfetto = writer->data;
	struct thread *thread = threads_of(&perfetto->threads, event);
	struct ended ended;

	if (!thread)
		return;
	if (thread->is_of_new_process || (thread->is_main && thread->is_renamed))
		describe_process(text, event);
	if (thread->is_renamed)
		describe_thread(text, event);
	if (event->is_timed) {
		threads_end(&perfetto->threads, thread, event, &ended);
		put_event(perfetto, text, event, ended.call.from, TYPE_BEGIN);
		put_end(text, event, ended.call.to);
		threads_add(&perfetto->threads, thread, &ended);
	} else {
		put_event(perfetto, text, event, event->nanoseconds, TYPE_INSTANT);
	}
	put_counters(perfetto, text, event);
}

int perfetto_create(const struct counters *counters, struct trace_format_writer *ret)
{
	struct perfetto *perfetto = calloc(1, sizeof(*perfetto));

	if (!perfetto)
		return -EP_NO_MEMORY;
	perfetto->counters = counters;
	perfetto->threads.calls_max = CALLS_MAX;
	*ret = (struct trace_format_writer){.data = perfetto, .event = put, .begin = begin};
	return 0;
}
