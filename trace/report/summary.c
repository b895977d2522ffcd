/* SPDX-License-Identifier: MIT */
/*
 * A pattern gives thousands of probes, most of them never hit, hundreds refused for a few reasons.
 * So rows are sorted by hits, the rest is counted, and refusals are one line for each reason. May
 * run while the program ends, in the middle of anything: no malloc(), no qsort(), no printf().
 */
#include "trace/report/summary.h"

#include <string.h>

#include "trace/base/text.h"
#include "trace/session/counts.h"

#define FEW	   40	      /* probes: all of them are shown */
#define LINE_SIZE  (64 << 10) /* names of C++ have kilobytes */
#define NAME_SIZE  (24 << 10) /* of a line's two, each */
#define NOTE_SIZE  (8 << 10)
#define REST_SIZE  512 /* of an object's line: all but its strings */
#define EVENT_MAX  48  /* columns */
#define REASON_MAX 64  /* above any EP_ code */

struct row {
	const struct trace_view *view;
	uint64_t hits, missed, trapped, order;
};

struct table {
	struct row *rows;
	uint32_t *buckets; /* row + 1, hashed by names */
	size_t count, bucket_count;
	size_t event_width;
	uint64_t missed, trapped, refused;
	const struct trace_sink *sink;
	bool all;
};

/* ---- lines --------------------------------------------------------------------------------- */

struct line {
	struct trace_text text;
	char buffer[LINE_SIZE];
};

/* The line: there is one, since it is large for a stack, and one thread at a time (summary.h). */
static struct line *line_init(void)
{
	static struct line line;

	line.text = (struct trace_text){line.buffer, sizeof(line.buffer) - 1, 0};
	return &line;
}

static int line_end(struct line *line, const struct trace_sink *sink)
{
	line->buffer[line->text.used++] = '\n';
	return sink->write(sink->data, line->buffer, line->text.used);
}

static void put_right(struct trace_text *text, uint64_t value, unsigned int width)
{
	trace_text_unsigned(text, value, width, ' ');
}

static void put_left(struct trace_text *text, const char *value, size_t width)
{
	size_t start = text->used;

	trace_text_plain_within(text, value, NAME_SIZE);
	trace_text_pad(text, start, width);
	trace_text_string(text, "  ");
}

/* ---- adding up ----------------------------------------------------------------------------- */

static uint64_t hash(uint64_t seed, const char *text)
{
	while (*text)
		seed = (seed ^ (unsigned char)*text++) * 0x100000001b3;
	return seed;
}

static bool is_same(const struct trace_view *a, const struct trace_view *b)
{
	return a == b ||
	       (a->plan == b->plan && a->reason == b->reason && strcmp(a->event, b->event) == 0 &&
		strcmp(a->place, b->place) == 0 && strcmp(a->group, b->group) == 0);
}

static struct row *row_of(struct table *table, const struct trace_view *view)
{
	size_t at = hash(hash(0xcbf29ce484222325, view->place), view->event) &
		    (table->bucket_count - 1);
	struct row *row;

	for (; table->buckets[at]; at = (at + 1) & (table->bucket_count - 1)) {
		row = &table->rows[table->buckets[at] - 1];
		if (is_same(row->view, view))
			return row;
	}
	row = &table->rows[table->count++];
	*row = (struct row){.view = view, .order = table->count};
	table->buckets[at] = (uint32_t)table->count;
	return row;
}

/* Room for the counts of the process that has the most probes. */
static struct ep_counts *make_totals(const struct trace_summary_process *processes, size_t count,
				     struct trace_arena *arena)
{
	size_t most = 0;

	for (size_t i = 0; i < count; i++)
		if (processes[i].count > most)
			most = processes[i].count;
	return trace_arena_alloc(arena, (most + 1) * sizeof(struct ep_counts));
}

/* They may still change: so all that is said of a process comes from one look at them. */
static void read_totals(const struct trace_summary_process *process, struct ep_counts *ret)
{
	if (process->process)
		trace_counts_read(process->session, process->process, process->counts,
				  process->views, process->count, ret);
	else if (process->counts)
		memcpy(ret, process->counts, process->count * sizeof(*ret));
	else
		memset(ret, 0, process->count * sizeof(*ret));
}

static void add_process(struct table *table, const struct trace_summary_process *process,
			struct ep_counts *totals)
{
	read_totals(process, totals);
	for (uint32_t i = 0; i < process->count; i++) {
		struct row *row = row_of(table, &process->views[i]);

		row->hits += totals[i].hits;
		row->missed += totals[i].missed;
		row->trapped += totals[i].trapped;
	}
}

static int table_init(struct table *table, const struct trace_summary_process *processes,
		      size_t count, struct trace_arena *arena)
{
	struct ep_counts *totals = make_totals(processes, count, arena);
	size_t total = 1;

	for (size_t i = 0; i < count; i++)
		total += processes[i].count;
	for (table->bucket_count = 64; table->bucket_count < 2 * total;)
		table->bucket_count *= 2;
	table->rows = trace_arena_alloc(arena, total * sizeof(*table->rows));
	table->buckets = trace_arena_alloc(arena, table->bucket_count * sizeof(*table->buckets));
	if (!table->rows || !table->buckets || !totals)
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		add_process(table, &processes[i], totals);
	return 0;
}

static bool is_before(const struct row *a, const struct row *b)
{
	return a->hits != b->hits ? a->hits > b->hits : a->order < b->order;
}

/* Shell sort, gaps of Knuth. */
static void sort(struct row *rows, size_t count)
{
	size_t gap = 1;

	while (gap < count / 3)
		gap = 3 * gap + 1;
	for (; gap; gap /= 3)
		for (size_t i = gap; i < count; i++) {
			struct row row = rows[i];
			size_t at = i;

			for (; at >= gap && is_before(&row, &rows[at - gap]); at -= gap)
				rows[at] = rows[at - gap];
			rows[at] = row;
		}
}

/* ---- the table ----------------------------------------------------------------------------- */

static bool is_shown(const struct table *table, const struct row *row)
{
	return row->view->plan != EP_PLAN_REFUSED && (table->all || row->hits || row->missed);
}

static void measure(struct table *table)
{
	table->event_width = strlen("event");
	for (size_t i = 0; i < table->count; i++) {
		const struct row *row = &table->rows[i];
		size_t width = strlen(row->view->event);

		table->missed += row->missed;
		table->trapped += row->trapped;
		table->refused += row->view->plan == EP_PLAN_REFUSED;
		if (is_shown(table, row) && width > table->event_width && width <= EVENT_MAX)
			table->event_width = width;
	}
}

static int put_heading(const struct table *table)
{
	struct line *line = line_init();

	put_left(&line->text, "        hits", 0);
	if (table->missed)
		put_left(&line->text, "  missed", 0);
	if (table->trapped)
		put_left(&line->text, "trapped", 0);
	put_left(&line->text, "plan", 7);
	put_left(&line->text, "event", table->event_width);
	trace_text_string(&line->text, "place");
	return line_end(line, table->sink);
}

/* The share of hits that took a trap, as "  12.3%"; it is never rounded to nothing or to all. */
static void put_share(struct trace_text *text, const struct row *row)
{
	uint64_t tenths = row->hits ? row->trapped * 1000 / row->hits : 1000;

	if (!row->trapped) {
		trace_text_string(text, "         ");
		return;
	}
	if (tenths == 0)
		tenths = 1;
	put_right(text, tenths / 10, 4);
	trace_text_char(text, '.');
	put_right(text, tenths % 10, 1);
	trace_text_string(text, "%  ");
}

static int put_row(const struct table *table, const struct row *row)
{
	struct line *line = line_init();

	put_right(&line->text, row->hits, 12);
	trace_text_string(&line->text, "  ");
	if (table->missed) {
		put_right(&line->text, row->missed, 8);
		trace_text_string(&line->text, "  ");
	}
	if (table->trapped)
		put_share(&line->text, row);
	put_left(&line->text, ep_plan_name(row->view->plan), 7);
	put_left(&line->text, row->view->event, table->event_width);
	trace_text_plain_within(&line->text, row->view->place, NAME_SIZE);
	return line_end(line, table->sink);
}

static int put_count(const struct table *table, uint64_t count, const char *before,
		     const char *what)
{
	struct line *line = line_init();

	put_right(&line->text, count, 12);
	trace_text_string(&line->text, before);
	trace_text_string(&line->text, what);
	return line_end(line, table->sink);
}

static int put_rows(const struct table *table)
{
	uint64_t hidden = 0;
	int error = 0;

	for (size_t i = 0; i < table->count && !error; i++) {
		if (is_shown(table, &table->rows[i]))
			error = put_row(table, &table->rows[i]);
		else if (table->rows[i].view->plan != EP_PLAN_REFUSED)
			hidden++;
	}
	if (!error && hidden)
		error = put_count(table, hidden, "  probes ", "were never hit");
	return error;
}

static int put_refused(const struct table *table, const struct row *row)
{
	struct line *line = line_init();

	trace_text_string(&line->text, "     refused  ");
	put_left(&line->text, row->view->event, table->event_width);
	trace_text_plain_within(&line->text, row->view->place, NAME_SIZE);
	trace_text_string(&line->text, ": ");
	trace_text_string(&line->text, ep_strerror(row->view->reason));
	return line_end(line, table->sink);
}

static int put_each_refusal(const struct table *table)
{
	int error = 0;

	for (size_t i = 0; i < table->count && !error; i++)
		if (table->rows[i].view->plan == EP_PLAN_REFUSED)
			error = put_refused(table, &table->rows[i]);
	return error;
}

static int put_refusals_by_reason(const struct table *table)
{
	uint64_t counts[REASON_MAX] = {0};
	int error = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct trace_view *view = table->rows[i].view;

		if (view->plan == EP_PLAN_REFUSED)
			counts[view->reason > 0 && view->reason < REASON_MAX ? view->reason : 0]++;
	}
	for (int i = 0; i < REASON_MAX && !error; i++)
		if (counts[i])
			error = put_count(table, counts[i], "  refused: ", ep_strerror(i));
	return error;
}

static int put_note(const struct table *table, const struct trace_view *view)
{
	struct line *line = line_init();

	trace_text_string(&line->text, "        note  ");
	put_left(&line->text, view->event, table->event_width);
	trace_text_plain_within(&line->text, view->note, NOTE_SIZE);
	return line_end(line, table->sink);
}

/* Of names, not of places that a pattern matched: there are few. */
static int put_notes(const struct table *table)
{
	int error = 0;

	for (size_t i = 0; i < table->count && !error; i++)
		if (table->rows[i].view->note)
			error = put_note(table, table->rows[i].view);
	return error;
}

int trace_summary_table(const struct trace_summary_process *processes, size_t count, bool verbose,
			struct trace_arena *arena, const struct trace_sink *sink)
{
	struct table table = {.sink = sink};
	int error = table_init(&table, processes, count, arena);

	if (error)
		return error;
	table.all = verbose || table.count <= FEW;
	sort(table.rows, table.count);
	measure(&table);
	if (table.count > table.refused)
		error = put_heading(&table);
	if (!error)
		error = put_rows(&table);
	if (!error)
		error = table.all ? put_each_refusal(&table) : put_refusals_by_reason(&table);
	if (!error)
		error = put_notes(&table);
	return error;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* What is cut is no JSON: so a long line is written in several parts. */
static int put_string(struct line *line, const char *key, const char *value,
		      const struct trace_sink *sink)
{
	int error = 0;

	trace_text_string(&line->text, key);
	if (!value) {
		trace_text_string(&line->text, "null");
		return 0;
	}
	trace_text_char(&line->text, '"');
	line->text.size -= REST_SIZE;
	while (*(value = trace_text_json_some(&line->text, value)) && !error) {
		error = sink->write(sink->data, line->buffer, line->text.used);
		line->text.used = 0;
	}
	line->text.size += REST_SIZE;
	trace_text_char(&line->text, '"');
	return error;
}

static void put_number(struct trace_text *text, const char *key, uint64_t value)
{
	trace_text_string(text, key);
	trace_text_unsigned(text, value, 1, '0');
}

static int put_object(int pid, const struct trace_view *view, const struct ep_counts *counts,
		      const struct trace_sink *sink)
{
	struct line *line = line_init();
	const struct {
		const char *key, *value;
	} strings[] = {
		{",\"group\":", view->group},
		{",\"event\":", view->event},
		{",\"place\":", view->place},
		{",\"plan\":", ep_plan_name(view->plan)},
		{",\"reason\":", view->reason ? ep_error_name(view->reason) : NULL},
	};
	int error = 0;

	put_number(&line->text, "{\"type\":\"probe\",\"pid\":", (uint32_t)pid);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]) && !error; i++)
		error = put_string(line, strings[i].key, strings[i].value, sink);
	if (error)
		return error;
	put_number(&line->text, ",\"hits\":", counts->hits);
	put_number(&line->text, ",\"missed\":", counts->missed);
	put_number(&line->text, ",\"trapped\":", counts->trapped);
	trace_text_char(&line->text, '}');
	return line_end(line, sink);
}

int trace_summary_json(const struct trace_summary_process *processes, size_t count,
		       struct trace_arena *arena, const struct trace_sink *sink)
{
	struct ep_counts *totals = make_totals(processes, count, arena);
	int error = totals ? 0 : -EP_NO_MEMORY;

	for (size_t i = 0; i < count && !error; i++) {
		read_totals(&processes[i], totals);
		for (uint32_t k = 0; k < processes[i].count && !error; k++)
			error = put_object(processes[i].pid, &processes[i].views[k], &totals[k],
					   sink);
	}
	return error;
}

/* ---- explanations -------------------------------------------------------------------------- */

static int put_explanation(const struct trace_view *view, const struct trace_sink *sink)
{
	struct line *line = line_init();

	put_left(&line->text, ep_plan_name(view->plan), 7);
	put_left(&line->text, view->place, 32);
	put_left(&line->text, view->insn, view->reason || view->note ? 32 : 0);
	if (view->reason)
		trace_text_string(&line->text, ep_strerror(view->reason));
	if (view->note) {
		trace_text_string(&line->text, view->reason ? "; " : "");
		trace_text_plain_within(&line->text, view->note, NOTE_SIZE);
	}
	return line_end(line, sink);
}

int trace_summary_explain(const struct trace_summary_process *process,
			  const struct trace_sink *sink)
{
	int error = 0;

	for (uint32_t i = 0; i < process->count && !error; i++)
		error = put_explanation(&process->views[i], sink);
	return error;
}
