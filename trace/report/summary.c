/* SPDX-License-Identifier: MIT */
/*
 * A pattern gives thousands of probes, most of them never hit, hundreds refused for a few reasons.
 * So rows are sorted by hits, the rest is counted, and refusals are one line for each reason. May
 * run while the program ends, in the middle of anything: no malloc(), no qsort(), no printf().
 */
#include "trace/report/summary.h"

#include <string.h>

#include "trace/base/sort.h"
#include "trace/report/latency.h"
#include "trace/report/line.h"
#include "trace/report/totals.h"

#define FEW	   40 /* probes: all of them are shown */
#define NOTE_SIZE  (8 << 10)
#define REST_SIZE  512 /* of an object's line: all but its strings */
#define EVENT_MAX  48  /* columns */
#define REASON_MAX 64  /* above any EP_ code */

struct row {
	const struct trace_view *view;
	uint64_t hits, missed, trapped, order;
	struct trace_latency latency; /* of calls */
	struct trace_duration_sum *sum;
};

struct table {
	struct row *rows;
	uint32_t *buckets; /* row + 1, hashed by names */
	size_t count, bucket_count;
	size_t event_width;
	uint64_t missed, trapped, refused;
	const struct trace_sink *sink;
	struct trace_arena sums;
	struct trace_latency_unit unit;
	bool all;
	bool incomplete; /* there was no memory for all durations */
};

/* ---- adding up ----------------------------------------------------------------------------- */

static uint64_t hash(uint64_t seed, const char *text)
{
	while (*text)
		seed = (seed ^ (unsigned char)*text++) * 0x100000001b3;
	return seed;
}

static bool is_same(const struct trace_view *a, const struct trace_view *b)
{
	return a == b || (a->plan == b->plan && a->reason == b->reason &&
			  a->is_return == b->is_return && strcmp(a->event, b->event) == 0 &&
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

static void add_latency(struct table *table, struct row *row, const struct ep_counts *counts,
			const struct trace_duration_sum *sum)
{
	struct ep_counts *to = &row->latency.counts;

	to->hits += counts->hits;
	to->returns += counts->returns;
	to->unwound += counts->unwound;
	to->abandoned += counts->abandoned;
	if (!sum)
		return;
	if (!row->sum)
		row->sum = trace_arena_alloc(&table->sums, sizeof(*row->sum));
	if (!row->sum || trace_durations_merge(row->sum, sum, &table->sums))
		table->incomplete = true;
}

static void add_process(struct table *table, const struct trace_summary_process *process,
			struct trace_totals *totals)
{
	if (trace_totals_read(process, totals))
		table->incomplete = true;
	if (process->timed)
		table->unit = process->unit;
	for (uint32_t i = 0; i < process->count; i++) {
		struct row *row = row_of(table, &process->views[i]);

		row->hits += totals->counts[i].hits;
		row->missed += totals->counts[i].missed;
		row->trapped += totals->counts[i].trapped;
		if (row->view->is_return)
			add_latency(table, row, &totals->counts[i], totals->sums[i]);
	}
}

static int table_init(struct table *table, const struct trace_summary_process *processes,
		      size_t count, struct trace_arena *arena)
{
	struct trace_totals totals;
	int error = trace_totals_init(&totals, processes, count, arena);
	size_t total = 1;

	table->sums.limit = TRACE_TOTALS_SUMS_MAX;
	for (size_t i = 0; i < count; i++)
		total += processes[i].count;
	for (table->bucket_count = 64; table->bucket_count < 2 * total;)
		table->bucket_count *= 2;
	table->rows = trace_arena_alloc(arena, total * sizeof(*table->rows));
	table->buckets = trace_arena_alloc(arena, table->bucket_count * sizeof(*table->buckets));
	if (error || !table->rows || !table->buckets)
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		add_process(table, &processes[i], &totals);
	trace_totals_deinit(&totals);
	return 0;
}

static bool is_before(const struct row *a, const struct row *b)
{
	return a->hits != b->hits ? a->hits > b->hits : a->order < b->order;
}

TRACE_DEFINE_SORT(sort, struct row, is_before)

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
	struct trace_line *line = trace_line_init();

	trace_line_left(line, "        hits", 0);
	if (table->missed)
		trace_line_left(line, "  missed", 0);
	if (table->trapped)
		trace_line_left(line, "trapped", 0);
	trace_line_left(line, "plan", 7);
	trace_line_left(line, "event", table->event_width);
	trace_text_string(&line->text, "place");
	return trace_line_end(line, table->sink);
}

/* The share of hits that took a trap, as "  12.3%"; it is never rounded to nothing or to all. */
static void put_share(struct trace_line *line, const struct row *row)
{
	uint64_t tenths = row->hits ? row->trapped * 1000 / row->hits : 1000;

	if (!row->trapped) {
		trace_text_string(&line->text, "         ");
		return;
	}
	if (tenths == 0)
		tenths = 1;
	trace_line_right(line, tenths / 10, 4);
	trace_text_char(&line->text, '.');
	trace_line_right(line, tenths % 10, 1);
	trace_text_string(&line->text, "%  ");
}

static int put_row(const struct table *table, const struct row *row)
{
	struct trace_line *line = trace_line_init();

	trace_line_right(line, row->hits, 12);
	trace_text_string(&line->text, "  ");
	if (table->missed) {
		trace_line_right(line, row->missed, 8);
		trace_text_string(&line->text, "  ");
	}
	if (table->trapped)
		put_share(line, row);
	trace_line_left(line, ep_plan_name(row->view->plan), 7);
	trace_line_left(line, row->view->event, table->event_width);
	trace_text_plain_within(&line->text, row->view->place, TRACE_LINE_NAME);
	return trace_line_end(line, table->sink);
}

static int put_count(const struct table *table, uint64_t count, const char *before,
		     const char *what)
{
	struct trace_line *line = trace_line_init();

	trace_line_right(line, count, 12);
	trace_text_string(&line->text, before);
	trace_text_string(&line->text, what);
	return trace_line_end(line, table->sink);
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
	struct trace_line *line = trace_line_init();

	trace_text_string(&line->text, "     refused  ");
	trace_line_left(line, row->view->event, table->event_width);
	trace_text_plain_within(&line->text, row->view->place, TRACE_LINE_NAME);
	trace_text_string(&line->text, ": ");
	trace_text_string(&line->text, ep_strerror(row->view->reason));
	return trace_line_end(line, table->sink);
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
	struct trace_line *line = trace_line_init();

	trace_text_string(&line->text, "        note  ");
	trace_line_left(line, view->event, table->event_width);
	trace_text_plain_within(&line->text, view->note, NOTE_SIZE);
	return trace_line_end(line, table->sink);
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

/* ---- durations ----------------------------------------------------------------------------- */

static struct trace_latency latency_of(const struct row *row)
{
	struct trace_latency ret = row->latency;

	ret.event = row->view->event;
	ret.place = row->view->place;
	ret.sum = row->sum;
	return ret;
}

static int put_incomplete(const struct table *table)
{
	struct trace_line *line = trace_line_init();

	trace_text_string(&line->text, "              durations are incomplete: no memory for all");
	return trace_line_end(line, table->sink);
}

/* Of probes of calls that were hit, where it was wanted to time them. */
static int put_latencies(const struct table *table, struct trace_arena *arena)
{
	struct trace_latency *rows = trace_arena_alloc(arena, (table->count + 1) * sizeof(*rows));
	size_t count = 0;
	int error;

	if (!table->unit.clock)
		return 0;
	if (!rows)
		return -EP_NO_MEMORY;
	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i].view->is_return && (table->rows[i].hits || table->rows[i].sum))
			rows[count++] = latency_of(&table->rows[i]);
	error = trace_latency_table(rows, count, &table->unit, table->sink);
	if (!error && table->incomplete)
		error = put_incomplete(table);
	return error;
}

int trace_summary_bars(const struct trace_summary_process *processes, size_t count,
		       const char *event, struct trace_arena *arena, const struct trace_sink *sink)
{
	struct table table = {.sink = sink};
	int error = table_init(&table, processes, count, arena);
	bool any = false;

	for (size_t i = 0; i < table.count && !error && table.unit.clock; i++) {
		struct trace_latency latency = latency_of(&table.rows[i]);

		if (!table.rows[i].view->is_return || strcmp(latency.event, event) != 0)
			continue;
		any = true;
		error = trace_latency_bars(&latency, &table.unit, sink);
	}
	trace_arena_deinit(&table.sums);
	return error || any ? error : -EP_NO_MATCH;
}

static int visit_row(const struct table *table, const struct row *row,
		     int (*visit)(const struct trace_summary_row *row, void *data), void *data)
{
	struct trace_summary_row ret = {.view = row->view, .hits = row->hits};
	const struct trace_latency latency = latency_of(row);
	struct trace_latency_brief brief;

	ret.is_timed = row->view->is_return && table->unit.clock;
	if (ret.is_timed) {
		brief = trace_latency_brief(&latency, &table->unit);
		ret.total = brief.total;
		ret.p50 = brief.p50;
		ret.p99 = brief.p99;
	}
	return visit(&ret, data);
}

int trace_summary_each(const struct trace_summary_process *processes, size_t count,
		       struct trace_arena *arena,
		       int (*visit)(const struct trace_summary_row *row, void *data), void *data)
{
	struct table table = {0};
	int error = table_init(&table, processes, count, arena);

	for (size_t i = 0; i < table.count && !error; i++)
		if (table.rows[i].view->plan != EP_PLAN_REFUSED)
			error = visit_row(&table, &table.rows[i], visit, data);
	trace_arena_deinit(&table.sums);
	return error;
}

/* -------------------------------------------------------------------------------------------- */

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
	if (!error)
		error = put_latencies(&table, arena);
	trace_arena_deinit(&table.sums);
	return error;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* What is cut is no JSON: so a long line is written in several parts. */
static int put_string(struct trace_line *line, const char *key, const char *value,
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

static bool is_followed(const struct trace_view *view)
{
	return view->is_return && view->plan != EP_PLAN_REFUSED;
}

static int put_object(const struct trace_summary_process *process, uint32_t index,
		      const struct trace_totals *totals, const struct trace_sink *sink)
{
	const struct trace_view *view = &process->views[index];
	const struct ep_counts *counts = &totals->counts[index];
	const struct trace_latency latency = {.counts = *counts, .sum = totals->sums[index]};

	struct trace_line *line = trace_line_init();
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

	trace_line_number(line, "{\"type\":\"probe\",\"pid\":", (uint32_t)process->pid);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]) && !error; i++)
		error = put_string(line, strings[i].key, strings[i].value, sink);
	if (error)
		return error;
	trace_line_number(line, ",\"hits\":", counts->hits);
	trace_line_number(line, ",\"missed\":", counts->missed);
	trace_line_number(line, ",\"trapped\":", counts->trapped);
	if (is_followed(view))
		trace_line_number(line, ",\"ways_out\":", view->ways_out);
	if (view->is_return)
		error = trace_latency_json(&latency, &process->unit, line, sink);
	if (error)
		return error;
	trace_text_char(&line->text, '}');
	return trace_line_end(line, sink);
}

int trace_summary_json(const struct trace_summary_process *processes, size_t count,
		       struct trace_arena *arena, const struct trace_sink *sink)
{
	struct trace_totals totals;
	int error = trace_totals_init(&totals, processes, count, arena);

	for (size_t i = 0; i < count && !error; i++) {
		trace_totals_read(&processes[i], &totals);
		for (uint32_t k = 0; k < processes[i].count && !error; k++)
			error = put_object(&processes[i], k, &totals, sink);
	}
	trace_totals_deinit(&totals);
	return error;
}

/* ---- explanations -------------------------------------------------------------------------- */

static void put_followed(struct trace_line *line, const struct trace_view *view)
{
	if (!view->ways_out) {
		trace_text_string(&line->text, "calls end in stubs");
		return;
	}
	trace_line_number(line, "calls end at ", view->ways_out);
	trace_text_string(&line->text, view->ways_out == 1 ? " way out" : " ways out");
}

static int put_explanation(const struct trace_view *view, const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();
	const char *between = "";

	trace_line_left(line, ep_plan_name(view->plan), 7);
	trace_line_left(line, view->place, 32);
	trace_line_left(line, view->insn, view->reason || view->note || is_followed(view) ? 32 : 0);
	if (view->reason) {
		trace_text_string(&line->text, ep_strerror(view->reason));
		between = "; ";
	}
	if (is_followed(view)) {
		trace_text_string(&line->text, between);
		put_followed(line, view);
		between = "; ";
	}
	if (view->note) {
		trace_text_string(&line->text, between);
		trace_text_plain_within(&line->text, view->note, NOTE_SIZE);
	}
	return trace_line_end(line, sink);
}

int trace_summary_explain(const struct trace_summary_process *process,
			  const struct trace_sink *sink)
{
	int error = 0;

	for (uint32_t i = 0; i < process->count && !error; i++)
		error = put_explanation(&process->views[i], sink);
	return error;
}

static int put_definition(const struct trace_view *view, const struct trace_sink *sink)
{
	struct trace_line *line = trace_line_init();

	if (view->plan == EP_PLAN_REFUSED) {
		trace_text_string(&line->text, "# ");
		trace_text_string(&line->text, ep_strerror(view->reason));
		trace_text_string(&line->text, ": ");
	}
	trace_text_plain(&line->text, view->place);
	return trace_line_end(line, sink);
}

int trace_summary_definitions(const struct trace_summary_process *process,
			      const struct trace_sink *sink)
{
	int error = 0;

	for (uint32_t i = 0; i < process->count && !error; i++)
		error = put_definition(&process->views[i], sink);
	return error;
}
