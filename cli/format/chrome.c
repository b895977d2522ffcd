/* SPDX-License-Identifier: MIT */
/*
 * "Trace Event Format": an object with a list of events. A call is complete ("X"), with the time it began and
 * how long it took; another event is an instant of its thread ("i"). Times are microseconds, with three digits
 * behind the point: as numbers they must not become floats here, which would lose the last of them.
 */
#include "cli/format/chrome.h"

#include <stdlib.h>

#include "cli/format/threads.h"
#include "trace/report/format.h"

#define CALLS_MAX (1 << 16) /* of a thread that an outer one is looked for */

struct chrome {
	const struct counters *counters;
	struct threads threads;
	bool has_events;
	char value[TRACE_ARGS_TEXT + 64];
};

static void put_microseconds(struct trace_text *text, const char *key, uint64_t nanoseconds)
{
	trace_text_string(text, key);
	trace_text_unsigned(text, nanoseconds / 1000, 1, '0');
	trace_text_char(text, '.');
	trace_text_unsigned(text, nanoseconds % 1000, 3, '0');
}

static void put_number(struct trace_text *text, const char *key, uint32_t value)
{
	trace_text_string(text, key);
	trace_text_unsigned(text, value, 1, '0');
}

static void put_name(struct trace_text *text, const char *key, const char *name)
{
	trace_text_string(text, key);
	trace_text_json_within(text, name, TRACE_NAMES_MAX);
}

/* ,{"ph":"X","pid":1,"tid":1 */
static void open_event(struct chrome *chrome, struct trace_text *text, const char *phase,
		       const struct trace_event *event)
{
	trace_text_string(text, chrome->has_events ? ",\n{\"ph\":\"" : "{\"ph\":\"");
	chrome->has_events = true;
	trace_text_string(text, phase);
	put_number(text, "\",\"pid\":", (uint32_t)event->pid);
	put_number(text, ",\"tid\":", (uint32_t)event->tid);
}

static void describe(struct chrome *chrome, struct trace_text *text,
		     const struct trace_event *event, const char *what)
{
	open_event(chrome, text, "M", event);
	trace_text_string(text, ",\"name\":\"");
	trace_text_string(text, what);
	trace_text_string(text, "\",\"args\":{\"name\":");
	trace_text_json(text, event->comm);
	trace_text_string(text, "}}");
}

static void put_args(struct trace_text *text, const struct trace_event *event)
{
	const uint64_t *bulks = event->bulks;

	put_name(text, ",\"args\":{\"place\":", event->view->place);
	if (event->end != EP_END_RETURN)
		put_name(text, ",\"end\":", trace_format_end(event->end));
	put_number(text, ",\"cpu\":", event->cpu);
	for (uint32_t i = 0; i < trace_view_shown(event->view); i++) {
		trace_text_char(text, ',');
		trace_text_json(text, event->view->args[i].name);
		trace_text_char(text, ':');
		trace_value_json(text, event, i, &bulks);
	}
	trace_text_string(text, "}}");
}

static void put_call(struct chrome *chrome, struct trace_text *text,
		     const struct trace_event *event, struct thread *thread)
{
	struct ended ended;

	threads_end(&chrome->threads, thread, event, &ended);
	open_event(chrome, text, "X", event);
	put_microseconds(text, ",\"ts\":", ended.call.from);
	put_microseconds(text, ",\"dur\":", ended.call.to - ended.call.from);
	threads_add(&chrome->threads, thread, &ended);
}

static void put_instant(struct chrome *chrome, struct trace_text *text,
			const struct trace_event *event)
{
	open_event(chrome, text, "i", event);
	put_microseconds(text, ",\"s\":\"t\",\"ts\":", event->nanoseconds);
}

/* Only what JSON has as a number can be one: hexadecimal and infinite values are texts there. */
static void put_counter(struct chrome *chrome, struct trace_text *text,
			const struct trace_event *event, uint32_t index, const uint64_t *bulks)
{
	char buffer[64];
	struct trace_text value = {buffer, sizeof(buffer) - 1, 0};

	trace_value_json(&value, event, index, &bulks);
	buffer[value.used] = '\0';
	if (strspn(buffer, "0123456789.+-eE") != value.used || !value.used)
		return;
	open_event(chrome, text, "C", event);
	put_microseconds(text, ",\"ts\":", event->nanoseconds);
	put_name(text, ",\"name\":", event->view->event);
	trace_text_string(text, ",\"args\":{");
	trace_text_json(text, event->view->args[index].name);
	trace_text_char(text, ':');
	trace_text_string(text, buffer);
	trace_text_string(text, "}}");
}

static void put_counters(struct chrome *chrome, struct trace_text *text,
			 const struct trace_event *event)
{
	const struct trace_view *view = event->view;
	const uint64_t *bulks = event->bulks;

	for (uint32_t i = 0; chrome->counters->count && i < trace_view_shown(view); i++) {
		struct trace_text room = {chrome->value, sizeof(chrome->value), 0};
		struct trace_value value;

		if (counters_have(chrome->counters, view, &view->args[i]))
			put_counter(chrome, text, event, i, bulks);
		trace_value_take(event, i, &bulks, &room, &value);
	}
}

static void put(const struct trace_format_writer *writer, struct trace_text *text,
		const struct trace_event *event)
{
	struct chrome *chrome = writer->data;
	struct thread *thread = threads_of(&chrome->threads, event);

	if (!thread)
		return;
	if (thread->is_of_new_process || (thread->is_main && thread->is_renamed))
		describe(chrome, text, event, "process_name");
	if (thread->is_renamed)
		describe(chrome, text, event, "thread_name");
	if (event->is_timed)
		put_call(chrome, text, event, thread);
	else
		put_instant(chrome, text, event);
	put_name(text, ",\"cat\":", event->view->group);
	put_name(text, ",\"name\":", event->view->event);
	put_args(text, event);
	put_counters(chrome, text, event);
}

static int begin(const struct trace_format_writer *writer, const struct trace_sink *sink)
{
	static const char text[] = "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"clock\":"
				   "\"CLOCK_MONOTONIC\"},\"traceEvents\":[\n";

	(void)writer;
	return sink->write(sink->data, text, sizeof(text) - 1);
}

static int end(const struct trace_format_writer *writer, const struct trace_sink *sink)
{
	static const char text[] = "\n]}\n";

	(void)writer;
	return sink->write(sink->data, text, sizeof(text) - 1);
}

int chrome_create(const struct counters *counters, struct trace_format_writer *ret)
{
	struct chrome *chrome = calloc(1, sizeof(*chrome));

	if (!chrome)
		return -EP_NO_MEMORY;
	chrome->counters = counters;
	chrome->threads.calls_max = CALLS_MAX;
	*ret = (struct trace_format_writer){
		.data = chrome, .event = put, .begin = begin, .end = end};
	return 0;
}
