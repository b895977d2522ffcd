/* SPDX-License-Identifier: MIT */
#include "cli/shown.h"

#include <stdlib.h>
#include <time.h>

#include "cli/calls.h"
#include "cli/graph.h"

struct shown {
	const struct options *options;
	struct trace_format_writer writer;
	struct sheet sheet;
	struct graph *graph; /* one of these two */
	struct calls *calls;
};

static void show(const struct trace_format_writer *writer, struct trace_text *text,
		 const struct trace_event *event)
{
	const struct shown *shown = writer->data;

	(void)text;
	if (shown->graph)
		graph_event(shown->graph, event);
	else
		calls_event(shown->calls, event);
}

static int create(struct shown *shown, int fd, const struct trace_sink *sink)
{
	const struct options *options = shown->options;
	const struct graph_settings as_graph = {&options->parsed, options->wanted.min_time != 0};
	const struct calls_settings as_calls = {&options->wanted.prototypes,
						options->parsed.count - options->wanted.count + 1,
						options->wanted.sums_up};
	int error = sheet_init(&shown->sheet, fd, sink);

	if (error)
		return error;
	if (options->wanted.show == SHOW_GRAPH)
		shown->graph = graph_create(&as_graph, &shown->sheet);
	else
		shown->calls = calls_create(&as_calls, &shown->sheet);
	return shown->graph || shown->calls ? 0 : -EP_NO_MEMORY;
}

bool shown_is_wanted(const struct options *options)
{
	return options->wanted.show != SHOW_EVENTS && options->format == TRACE_FORMAT_TEXT &&
	       options->mode == TRACE_MODE_EVENTS && (!options->flame || options->output);
}

int shown_create(const struct options *options, int fd, const struct trace_sink *sink,
		 struct shown **ret)
{
	*ret = NULL;
	if (!shown_is_wanted(options))
		return 0;
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -EP_NO_MEMORY;
	(*ret)->options = options;
	(*ret)->writer = (struct trace_format_writer){.data = *ret, .event = show};
	return create(*ret, fd, sink);
}

const struct trace_format_writer *shown_writer(const struct shown *shown)
{
	return &shown->writer;
}

void shown_pass(struct shown *shown, bool last)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (shown->graph)
		graph_show(shown->graph,
			   last ? UINT64_MAX
				: (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	else
		sheet_flush(&shown->sheet);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void put_number(struct trace_line *line, uint64_t number, const char *one, const char *many)
{
	trace_text_unsigned(&line->text, number, 1, '0');
	trace_text_string(&line->text, number == 1 ? one : many);
}

static void put_probes(struct trace_line *line, const struct trace_summary_process *processes,
		       size_t count)
{
	uint64_t probed = 0, refused = 0;

	/* Children have their parents' once more. */
	for (uint32_t i = 0; count && i < processes[0].count; i++) {
		probed++;
		refused += processes[0].views[i].plan == EP_PLAN_REFUSED;
	}
	trace_text_string(&line->text, ", ");
	put_number(line, probed - refused, " function probed", " functions probed");
	if (refused)
		trace_line_number(line, ", refused: ", refused);
}

void shown_summary(struct shown *shown, const struct trace_summary_process *processes, size_t count,
		   const struct trace_sink *sink)
{
	struct graph_totals totals = {0};
	struct trace_line *line;

	if (shown->graph)
		totals = graph_total(shown->graph);
	else
		totals.calls = calls_total(shown->calls);
	if (shown->calls)
		calls_table(shown->calls, sink);
	line = trace_line_init();
	trace_text_string(&line->text, "emuprobe: ");
	put_number(line, totals.calls, " call", " calls");
	if (totals.running)
		trace_line_number(line, ", still running: ", totals.running);
	if (totals.threads > 1) {
		trace_text_string(&line->text, ", ");
		put_number(line, totals.threads, "", " threads");
	}
	put_probes(line, processes, count);
	trace_line_end(line, sink);
}
