/* SPDX-License-Identifier: MIT */
/*
 * The counts are in memory that is shared with the program, so a look at them costs it nothing. A rate is
 * what was added since the look before; all else is since the start.
 */
#include "cli/ticker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN_MAX   40	/* lines, where there is no terminal */
#define PLAIN_WIDTH 200 /* columns, likewise */
#define FIXED_WIDTH 54	/* columns in front of the event */
#define EVENT_WIDTH 24
#define NAME_MIN    16

/* ---- taking -------------------------------------------------------------------------------- */

/* Rows come in the same order each time, but for those that are new: so it mostly is the next one. */
static uint64_t hits_before(struct ticker *ticker, const struct trace_summary_row *row)
{
	for (size_t i = 0; i < ticker->before_count; i++) {
		size_t at = (ticker->found + i) % ticker->before_count;
		const struct ticker_row *before = &ticker->before[at];

		if (strcmp(before->event, row->view->event) != 0 ||
		    strcmp(before->place, row->view->place) != 0)
			continue;
		ticker->found = at + 1;
		return before->hits;
	}
	return 0;
}

static int add(const struct trace_summary_row *row, void *data)
{
	struct ticker *ticker = data;
	uint64_t before = hits_before(ticker, row);

	if (ticker->count == ticker->room) {
		size_t room = ticker->room ? 2 * ticker->room : 64;
		struct ticker_row *grown = reallocarray(ticker->rows, room, sizeof(*grown));

		if (!grown)
			return -EP_NO_MEMORY;
		ticker->rows = grown;
		ticker->room = room;
	}
	ticker->rows[ticker->count++] = (struct ticker_row){
		.event = row->view->event,
		.place = row->view->place,
		.hits = row->hits,
		.rate = row->hits > before && ticker->interval > 0
				? (double)(row->hits - before) / ticker->interval
				: 0,
		.time = row->total,
		.p50 = row->p50,
		.p99 = row->p99,
		.is_timed = row->is_timed,
	};
	return 0;
}

/* The rows of this look become those before it. They are in the order in which they came. */
static void exchange(struct ticker *ticker)
{
	struct ticker_row *rows = ticker->before;
	size_t room = ticker->before_room;

	ticker->before = ticker->rows;
	ticker->before_room = ticker->room;
	ticker->before_count = ticker->count;
	ticker->rows = rows;
	ticker->room = room;
	ticker->count = ticker->found = 0;
}

int ticker_take(struct ticker *ticker, const struct trace_summary_process *processes, size_t count,
		struct trace_arena *arena, double now)
{
	exchange(ticker);
	ticker->interval = now - ticker->looked;
	ticker->looked = now;
	return trace_summary_each(processes, count, arena, add, ticker);
}

void ticker_deinit(struct ticker *ticker)
{
	free(ticker->rows);
	free(ticker->before);
	ticker->rows = ticker->before = NULL;
}

/* ---- order --------------------------------------------------------------------------------- */

bool ticker_press(struct ticker *ticker, char key)
{
	static const char keys[] = "rts59n"; /* as enum ticker_order */
	const char *at = key ? strchr(keys, key) : NULL;

	if (at)
		ticker->order = (enum ticker_order)(at - keys);
	return at != NULL;
}

static double value_of(const struct ticker_row *row, enum ticker_order order)
{
	switch (order) {
	case TICKER_RATE:
		return row->rate;
	case TICKER_SHARE:
		return (double)row->time;
	case TICKER_P50:
		return (double)row->p50;
	case TICKER_P99:
		return (double)row->p99;
	default:
		return (double)row->hits;
	}
}

static int compare(const void *first, const void *second, void *data)
{
	const struct ticker_row *a = *(const struct ticker_row *const *)first;
	const struct ticker_row *b = *(const struct ticker_row *const *)second;
	enum ticker_order order = *(const enum ticker_order *)data;
	double one = value_of(a, order), other = value_of(b, order);

	if (order != TICKER_NAME && one != other)
		return one < other ? 1 : -1;
	if (order != TICKER_NAME && a->hits != b->hits)
		return a->hits < b->hits ? 1 : -1;
	return strcmp(a->event, b->event);
}

/* ---- showing ------------------------------------------------------------------------------- */

static void put_right(struct trace_text *text, const char *value, size_t width)
{
	size_t length = strlen(value);

	trace_text_pad(text, text->used, length < width ? width - length : 0);
	trace_text_string(text, value);
}

static void put_number(struct trace_text *text, uint64_t value, unsigned int width)
{
	trace_text_unsigned(text, value, width, ' ');
}

/* "12.3": @value is not below 0. */
static void put_tenths(struct trace_text *text, double value, unsigned int width)
{
	uint64_t tenths = (uint64_t)(value * 10 + 0.5);

	put_number(text, tenths / 10, width - 2);
	trace_text_char(text, '.');
	put_number(text, tenths % 10, 1);
}

static void put_time(struct trace_text *text, uint64_t nanoseconds)
{
	struct trace_line *line = trace_line_init();

	trace_line_time(line, nanoseconds, 9);
	for (size_t i = 0; i < line->text.used; i++)
		trace_text_char(text, line->buffer[i]);
}

/* What is sorted by is marked. */
static void put_heading(const struct ticker *ticker, struct trace_text *text)
{
	static const struct {
		const char *name;
		size_t width;
	} columns[] = {{"rate/s", 11}, {"total", 14}, {"time", 9}, {"p50", 9}, {"p99", 9}};
	char name[16];

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", ticker->order == i ? ">" : "",
			 columns[i].name);
		put_right(text, name, columns[i].width);
	}
	trace_text_string(text, ticker->order == TICKER_NAME ? " >event" : "  event");
	trace_text_char(text, '\n');
}

/* Names end where the line does; those of hits have no times. */
static void put_row(const struct ticker *ticker, const struct ticker_row *row,
		    struct trace_text *text)
{
	unsigned int width = ticker->width ? ticker->width : PLAIN_WIDTH;
	unsigned int room = width > FIXED_WIDTH + NAME_MIN ? width - FIXED_WIDTH - 1 : NAME_MIN;
	double elapsed = ticker->looked - ticker->started;
	size_t start;

	put_number(text, (uint64_t)(row->rate + 0.5), 11);
	put_number(text, row->hits, 14);
	if (row->is_timed) {
		put_tenths(text, elapsed > 0 ? (double)row->time / 1e7 / elapsed : 0, 8);
		trace_text_char(text, '%');
		put_time(text, row->p50);
		put_time(text, row->p99);
	} else {
		put_right(text, "-", 9);
		put_right(text, "-", 9);
		put_right(text, "-", 9);
	}
	trace_text_string(text, "  ");
	start = text->used;
	trace_text_plain_within(text, row->event,
				room > EVENT_WIDTH + 2 + NAME_MIN ? EVENT_WIDTH : room);
	if (room > EVENT_WIDTH + 2 + NAME_MIN) {
		trace_text_pad(text, start, EVENT_WIDTH + 2);
		trace_text_plain_within(text, row->place, room - EVENT_WIDTH - 2);
	}
	trace_text_char(text, '\n');
}

static void put_title(const struct ticker *ticker, size_t more, struct trace_text *text)
{
	trace_text_string(text, "after ");
	put_tenths(text, ticker->looked - ticker->started, 3);
	trace_text_string(text, " s");
	if (more) {
		trace_text_string(text, ", ");
		put_number(text, more, 1);
		trace_text_string(text, " more");
	}
	if (ticker->height)
		trace_text_string(text, "; sorted by >, or press r t s 5 9 n");
	trace_text_char(text, '\n');
}

void ticker_put(const struct ticker *ticker, struct trace_text *text)
{
	const struct ticker_row **rows = calloc(ticker->count + 1, sizeof(*rows));
	enum ticker_order order = ticker->order;
	size_t hit = 0, shown = ticker->height > 4 ? ticker->height - 4 : PLAIN_MAX;

	for (size_t i = 0; rows && i < ticker->count; i++)
		if (ticker->rows[i].hits)
			rows[hit++] = &ticker->rows[i];
	if (rows)
		qsort_r(rows, hit, sizeof(struct ticker_row *), compare, &order);
	if (shown > hit)
		shown = hit;
	put_title(ticker, hit - shown, text);
	put_heading(ticker, text);
	for (size_t i = 0; i < shown; i++)
		put_row(ticker, rows[i], text);
	free(rows);
}
