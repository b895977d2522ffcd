/* SPDX-License-Identifier: MIT */
/*
 * An event may be needed twice: as a line, and in the tree of calls that becomes a picture. So what the reader
 * calls stands in front of the format's own writer.
 */
#include "cli/format/formats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/format/callgrind.h"
#include "cli/format/chrome.h"
#include "cli/format/ctf.h"
#include "cli/format/flame.h"
#include "cli/format/folded.h"
#include "cli/format/perfetto.h"
#include "trace/report/format.h"

static void put(const struct trace_format_writer *writer, struct trace_text *text,
		const struct trace_event *event)
{
	struct formats *formats = writer->data;

	/* Of a call its end says all. */
	if (formats->wants_calls && (uint32_t)event->end != TRACE_END_ENTRY)
		tree_add_event(&formats->calls, event);
	if (formats->events.event)
		formats->events.event(&formats->events, text, event);
}

static int begin(const struct trace_format_writer *writer, const struct trace_sink *sink)
{
	const struct formats *formats = writer->data;

	return formats->events.begin ? formats->events.begin(&formats->events, sink) : 0;
}

/* A picture alone: nobody has asked for lines. */
static bool wants_events(const struct options *options)
{
	return !options->flame || options->output || options->format != TRACE_FORMAT_TEXT;
}

static int create_ctf(struct formats *formats)
{
	int error = ctf_create(formats->options->output, &formats->events);

	if (!error)
		return 0;
	complain("%s: %s", formats->options->output, strerror(error));
	return EXIT_OURS;
}

static int create_events(struct formats *formats)
{
	const struct options *options = formats->options;
	int error = 0;

	switch (options->format) {
	case TRACE_FORMAT_PERFETTO:
		error = perfetto_create(&options->counters, &formats->events);
		break;
	case TRACE_FORMAT_CHROME:
		error = chrome_create(&options->counters, &formats->events);
		break;
	case TRACE_FORMAT_CTF:
		return create_ctf(formats);
	case TRACE_FORMAT_JSON:
		formats->events = trace_format_json;
		break;
	case TRACE_FORMAT_TEXT:
		formats->events = trace_format_text;
		break;
	default: /* these are written at the end */
		break;
	}
	if (error)
		complain("%s", ep_strerror(error));
	return error ? EXIT_OURS : 0;
}

static int open_flame(struct formats *formats)
{
	const char *path = formats->options->flame;

	formats->flame = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (formats->flame >= 0)
		return 0;
	complain("%s: %s", path, strerror(errno));
	return EXIT_OURS;
}

int formats_init(struct formats *formats, const struct options *options)
{
	bool is_of_calls = options->flame || options->format == TRACE_FORMAT_FOLDED ||
			   options->format == TRACE_FORMAT_CALLGRIND;
	int error = 0;

	*formats = (struct formats){
		.options = options,
		.all = {.data = formats, .event = put, .begin = begin},
		.wants_calls = is_of_calls && options->is_timed,
		.flame = -1,
	};
	tree_init(&formats->calls, false);
	if (options->mode >= TRACE_MODE_CHECK)
		return 0;
	if (wants_events(options))
		error = create_events(formats);
	formats->all.stretch = formats->events.stretch;
	return !error && options->flame ? open_flame(formats) : error;
}

/* ---- the end --------------------------------------------------------------------------------- */

static int write_picture(void *data, const char *text, size_t size)
{
	const struct formats *formats = data;

	while (size) {
		ssize_t written = write(formats->flame, text, size);

		if (written < 0 && errno != EINTR)
			return -EP_IO;
		if (written > 0) {
			text += written;
			size -= (size_t)written;
		}
	}
	return 0;
}

/* Pictures come in small pieces. */
struct buffered {
	struct formats *formats;
	size_t used;
	char bytes[65536];
};

static int buffer(void *data, const char *text, size_t size)
{
	struct buffered *buffered = data;
	int error = 0;

	if (size > sizeof(buffered->bytes) - buffered->used) {
		error = write_picture(buffered->formats, buffered->bytes, buffered->used);
		buffered->used = 0;
	}
	if (!error && size > sizeof(buffered->bytes))
		return write_picture(buffered->formats, text, size);
	if (!error) {
		memcpy(buffered->bytes + buffered->used, text, size);
		buffered->used += size;
	}
	return error;
}

void formats_draw(struct formats *formats, const struct tree *tree)
{
	static struct buffered buffered;
	const struct trace_sink sink = {buffer, &buffered};
	char title[4096] = "";
	size_t used = 0;
	int error;

	if (formats->flame < 0)
		return;
	for (char *const *word = formats->options->command; *word && used < sizeof(title) - 1;
	     word++)
		used += (size_t)snprintf(title + used, sizeof(title) - used, "%s%s",
					 used ? " " : "", *word);
	buffered = (struct buffered){.formats = formats};
	error = flame_put(tree, title, &sink);
	if (!error)
		error = write_picture(formats, buffered.bytes, buffered.used);
	if (error)
		complain("%s: %s", formats->options->flame,
			 error == -EP_IO ? strerror(errno) : ep_strerror(error));
	close(formats->flame);
	formats->flame = -1;
}

static int put_calls(struct formats *formats, const struct trace_sink *sink)
{
	const struct tree *calls = &formats->calls;

	if (formats->options->format == TRACE_FORMAT_FOLDED)
		return folded_put(calls, sink);
	if (formats->options->format == TRACE_FORMAT_CALLGRIND)
		return callgrind_put(calls, formats->options->command, sink);
	return 0;
}

static void complain_of_calls(const struct tree *calls)
{
	if (calls->lost)
		complain("%lu calls are missing: there was no memory, or they were too deep in one "
			 "another",
			 (unsigned long)calls->lost);
	if (calls->threads.torn)
		complain("of %lu calls some that they have made stand beside them: there were too "
			 "many",
			 (unsigned long)calls->threads.torn);
}

void formats_end(struct formats *formats, const struct trace_sink *sink)
{
	int error = 0;

	if (formats->events.end)
		error = formats->events.end(&formats->events, sink);
	if (error == -EP_IO && formats->options->format == TRACE_FORMAT_CTF)
		complain("%s: %s", formats->options->output, strerror(errno));
	if (!formats->wants_calls)
		return;
	tree_finish(&formats->calls);
	complain_of_calls(&formats->calls);
	error = put_calls(formats, sink);
	if (error && error != -EP_IO)
		complain("%s", ep_strerror(error));
	formats_draw(formats, &formats->calls);
	tree_deinit(&formats->calls);
}
