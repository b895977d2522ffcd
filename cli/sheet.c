/* SPDX-License-Identifier: MIT */
/*
 * A line on a terminal that is wider than it takes two rows, and a tree of those cannot be read: so lines are
 * cut there, and nowhere else. What names have in them is shown as it is printable.
 */
#include "cli/sheet.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/demangle.h"
#include "trace/report/value.h"
#include "trace/session/shared.h"

#define ALL_SIZE       (512ul << 10)
#define DURATION_WIDTH 8u
#define THREAD_WIDTH   23u	/* of a name of 15 bytes and a number of 7 */
#define INDENT_MAX     48u	/* levels; of those further in the number is shown */
#define LONG	       1000000u /* nanoseconds */
#define VERY_LONG      100000000u

struct sheet_name {
	const char *symbol; /* NULL: unused */
	char *name;
};

static unsigned int width_of(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 0;
}

int sheet_init(struct sheet *sheet, int fd, const struct trace_sink *sink)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

	*sheet = (struct sheet){
		.sink = *sink,
		.line = {malloc(SHEET_LINE_MAX), SHEET_LINE_MAX - 32, 0},
		.all = {malloc(ALL_SIZE), ALL_SIZE, 0},
	};
	if (!sheet->line.buffer || !sheet->all.buffer)
		return -EP_NO_MEMORY;
	if (!isatty(fd))
		return 0;
	sheet->width = width_of(fd);
	sheet->has_colour =
		!(no_colour && *no_colour) && !(terminal && strcmp(terminal, "dumb") == 0);
	return 0;
}

/* ---- a line -------------------------------------------------------------------------------- */

/* As far as there is room, one character after the other. */
static void put_cut(struct sheet *sheet, const char *text)
{
	if (!sheet->width) {
		trace_text_plain_within(&sheet->line, text, SHEET_LINE_MAX);
		return;
	}
	while (*text && !sheet->is_cut) {
		unsigned int bytes = trace_text_shown(text);
		char one[8] = "?";

		if (sheet->column + 1 >= sheet->width && text[bytes ? bytes : 1]) {
			trace_text_string(&sheet->line, "…");
			sheet->is_cut = true;
			return;
		}
		if (bytes && bytes < sizeof(one))
			memcpy(one, text, bytes);
		one[bytes ? bytes : 1] = '\0';
		if (sheet->line.size - sheet->line.used <= 16)
			sheet->is_cut = true;
		trace_text_string(&sheet->line, one);
		sheet->column++;
		text += bytes ? bytes : 1;
	}
}

void sheet_put(struct sheet *sheet, enum sheet_style style, const char *text)
{
	static const char *const codes[] = {"", "\033[2m", "\033[33m", "\033[1;31m", "\033[31m"};
	bool is_styled = sheet->has_colour && style != SHEET_PLAIN && !sheet->is_cut &&
			 sheet->line.size - sheet->line.used > 64;

	if (is_styled)
		trace_text_string(&sheet->line, codes[style]);
	put_cut(sheet, text);
	if (is_styled)
		trace_text_string(&sheet->line, "\033[0m");
}

static void put_duration(struct sheet *sheet, uint64_t nanoseconds)
{
	char text[32] = "";
	struct trace_text to = {text, sizeof(text) - 1, 0};

	if (nanoseconds == UINT64_MAX)
		trace_text_pad(&to, 0, DURATION_WIDTH);
	else
		trace_text_time(&to, nanoseconds, DURATION_WIDTH);
	text[to.used] = '\0';
	sheet_put(sheet,
		  nanoseconds == UINT64_MAX  ? SHEET_PLAIN
		  : nanoseconds >= VERY_LONG ? SHEET_VERY_LONG
		  : nanoseconds >= LONG	     ? SHEET_LONG
					     : SHEET_PLAIN,
		  text);
}

static void put_thread(struct sheet *sheet, const struct trace_event *event)
{
	char text[64];
	struct trace_text to = {text, sizeof(text) - 1, 0};

	trace_text_plain_within(&to, event->comm, TRACE_COMM_SIZE);
	trace_text_char(&to, '-');
	trace_text_unsigned(&to, (uint32_t)event->tid, 1, '0');
	trace_text_pad(&to, 0, THREAD_WIDTH);
	text[to.used] = '\0';
	sheet_put(sheet, SHEET_PLAIN, " ");
	sheet_put(sheet, SHEET_DIM, text);
}

/* Whose line it is, is said from the moment on that there are two that it could be. */
static void note_thread(struct sheet *sheet, const struct trace_event *event)
{
	if (!sheet->has_thread) {
		sheet->process = event->process;
		sheet->tid = event->tid;
		sheet->has_thread = true;
	}
	sheet->has_threads |= sheet->process != event->process || sheet->tid != event->tid;
}

void sheet_begin(struct sheet *sheet, const struct trace_event *event, uint64_t duration)
{
	note_thread(sheet, event);
	sheet->line.used = 0;
	sheet->column = 0;
	sheet->is_cut = false;
	put_duration(sheet, duration);
	if (sheet->has_threads)
		put_thread(sheet, event);
	sheet_put(sheet, SHEET_DIM, " | ");
}

void sheet_indent(struct sheet *sheet, unsigned int depth)
{
	char number[32];
	struct trace_text to = {number, sizeof(number) - 1, 0};

	for (unsigned int i = 0; i < depth && i < INDENT_MAX; i++)
		sheet_put(sheet, SHEET_PLAIN, "  ");
	if (depth <= INDENT_MAX)
		return;
	trace_text_char(&to, '[');
	trace_text_unsigned(&to, depth, 1, '0');
	trace_text_string(&to, "] ");
	number[to.used] = '\0';
	sheet_put(sheet, SHEET_DIM, number);
}

void sheet_end(struct sheet *sheet)
{
	if (sheet->all.size - sheet->all.used < sheet->line.used + 1)
		sheet_flush(sheet);
	memcpy(sheet->all.buffer + sheet->all.used, sheet->line.buffer, sheet->line.used);
	sheet->all.used += sheet->line.used;
	sheet->all.buffer[sheet->all.used++] = '\n';
}

void sheet_other(struct sheet *sheet, const struct trace_event *event, unsigned int depth)
{
	static char text[TRACE_ARGS_TEXT + 1024];
	struct trace_text to = {text, sizeof(text) - 1, 0};
	const uint64_t *bulks = event->bulks;

	for (uint32_t i = 0; i < event->view->arg_count; i++) {
		trace_text_char(&to, ' ');
		trace_text_string(&to, event->view->args[i].name);
		trace_text_char(&to, '=');
		trace_value_text(&to, event, i, &bulks);
	}
	text[to.used] = '\0';
	sheet_begin(sheet, event, UINT64_MAX);
	sheet_indent(sheet, depth);
	sheet_put(sheet, SHEET_DIM, "// ");
	sheet_put(sheet, SHEET_DIM, event->view->event);
	sheet_put(sheet, SHEET_DIM, text);
	sheet_end(sheet);
}

void sheet_flush(struct sheet *sheet)
{
	if (sheet->all.used)
		sheet->sink.write(sheet->sink.data, sheet->all.buffer, sheet->all.used);
	sheet->all.used = 0;
}

/* ---- names --------------------------------------------------------------------------------- */

/* FNV-1a */
static size_t hash(const char *text)
{
	uint64_t ret = 0xcbf29ce484222325;

	while (*text)
		ret = (ret ^ (unsigned char)*text++) * 0x100000001b3;
	return ret;
}

static struct sheet_name *find_name(struct sheet_name *names, size_t room, const char *symbol)
{
	size_t at = hash(symbol) & (room - 1);

	while (names[at].symbol && strcmp(names[at].symbol, symbol) != 0)
		at = (at + 1) & (room - 1);
	return &names[at];
}

static bool grow(struct sheet *sheet)
{
	size_t room = sheet->name_room ? 2 * sheet->name_room : 1024;
	struct sheet_name *names;

	if (sheet->name_count < sheet->name_room / 2)
		return true;
	names = calloc(room, sizeof(*names));
	if (!names)
		return false;
	for (size_t i = 0; i < sheet->name_room; i++)
		if (sheet->names[i].symbol)
			*find_name(names, room, sheet->names[i].symbol) = sheet->names[i];
	free(sheet->names);
	sheet->names = names;
	sheet->name_room = room;
	return true;
}

/* Names of compilers only are translated, which costs something: once. */
static const char *translate(struct sheet *sheet, const char *symbol)
{
	struct sheet_name *known;
	char meaning[1024];

	if (symbol[0] != '_' || (symbol[1] != 'Z' && symbol[1] != 'R') || !grow(sheet))
		return symbol;
	known = find_name(sheet->names, sheet->name_room, symbol);
	if (!known->symbol) {
		known->symbol = symbol;
		known->name = strdup(demangle(symbol, meaning, sizeof(meaning)));
		sheet->name_count++;
	}
	return known->name ? known->name : symbol;
}

const char *sheet_name(struct sheet *sheet, const struct trace_view *view, bool with_object)
{
	const char *colon = strchr(view->place, ':');

	return with_object || !colon ? view->place : translate(sheet, colon + 1);
}
