/* SPDX-License-Identifier: MIT */
/*
 * Lists come from options, files, files that include files, and an environment variable, and errors
 * are noticed in this process or in the probed one. So everything becomes one text first; an error
 * is a column of that, and the parts remember which file and line it was.
 */
#include "trace/language/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sys/files.h"
#include "trace/base/text.h"
#include "trace/language/scanner.h"

#define DEPTH_MAX 8
#define FILE_MAX  (16ul << 20)

struct trace_source_part {
	size_t start;
	const char *name;
	size_t line; /* of its first byte */
};

int trace_source_init(struct trace_source *source, struct trace_arena *arena)
{
	*source = (struct trace_source){.arena = arena, .room = 4096};
	source->text = trace_arena_alloc(arena, source->room);
	return source->text ? 0 : -EP_NO_MEMORY;
}

static int append(struct trace_source *source, const char *text, size_t size)
{
	if (source->room - source->size <= size) {
		size_t room = (source->size + size + 1) * 2;
		char *grown = trace_arena_alloc(source->arena, room);

		if (!grown)
			return -EP_NO_MEMORY;
		memcpy(grown, source->text, source->size);
		source->text = grown;
		source->room = room;
	}
	memcpy(source->text + source->size, text, size);
	source->size += size;
	source->text[source->size] = '\0';
	return 0;
}

static int begin_part(struct trace_source *source, const char *name, size_t line)
{
	if (source->part_count == source->part_room) {
		size_t room = source->part_room ? source->part_room * 2 : 16;
		struct trace_source_part *parts =
			trace_arena_alloc(source->arena, room * sizeof(*parts));

		if (!parts)
			return -EP_NO_MEMORY;
		if (source->part_count)
			memcpy(parts, source->parts, source->part_count * sizeof(*parts));
		source->parts = parts;
		source->part_room = room;
	}
	source->parts[source->part_count++] = (struct trace_source_part){source->size, name, line};
	return 0;
}

static size_t lines_in(const char *from, const char *to)
{
	size_t ret = 0;

	for (; from < to; from++)
		ret += *from == '\n';
	return ret;
}

/* ---- files --------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static int
fail(struct trace_source *source, int code, struct ep_error_at *error, const char *format, ...)
{
	va_list args;

	if (error) {
		error->error = code;
		error->column = source->size;
		va_start(args, format);
		vsnprintf(error->message, sizeof(error->message), format, args);
		va_end(args);
	}
	return -code;
}

static long read_all(int fd, char *buffer, size_t size)
{
	size_t done = 0;

	while (done < size) {
		long got = sys_read(fd, buffer + done, size - done);

		if (got < 0 && got != -EINTR)
			return got;
		if (got == 0)
			break;
		done += got > 0 ? (size_t)got : 0;
	}
	return (long)done;
}

static int read_file(struct trace_source *source, const char *path, const char **ret,
		     struct ep_error_at *error)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;
	size_t room = 64 << 10;
	long size;
	char *text;

	size = fd < 0 ? fd : sys_fstat(fd, &status);
	if (size) {
		if (fd >= 0)
			sys_close(fd);
		return fail(source, EP_IO, error, "%.120s: %s", path, strerror((int)-size));
	}
	if (S_ISREG(status.st_mode))
		room = (size_t)status.st_size < FILE_MAX ? (size_t)status.st_size + 1 : FILE_MAX;
	text = trace_arena_alloc(source->arena, room + 1);
	size = text ? read_all(fd, text, room) : 0;
	sys_close(fd);
	if (!text)
		return -EP_NO_MEMORY;
	if (size < 0)
		return fail(source, EP_IO, error, "%.120s: %s", path, strerror((int)-size));
	if ((size_t)size == FILE_MAX || memchr(text, '\0', (size_t)size))
		return fail(source, EP_IO, error, "%.120s: not a list of definitions", path);
	*ret = text;
	return 0;
}

int trace_source_add_file(struct trace_source *source, const char *path, struct ep_error_at *error)
{
	const char *text = "", *name = trace_arena_copy(source->arena, path, strlen(path));
	int failed;

	if (!name)
		return -EP_NO_MEMORY;
	if (source->depth == DEPTH_MAX)
		return fail(source, EP_SYNTAX, error, "%.120s: files include each other too deeply",
			    path);
	failed = read_file(source, path, &text, error);
	if (failed)
		return failed;
	source->depth++;
	failed = trace_source_add(source, text, name, error);
	source->depth--;
	return failed;
}

/* ---- text ---------------------------------------------------------------------------------- */

static int include(struct trace_source *source, struct trace_span word, struct ep_error_at *error)
{
	char *path;
	int failed = append(source, "\n", 1);

	if (failed)
		return failed;
	if (word.size == 1)
		return fail(source, EP_SYNTAX, error, "no file name behind '@'");
	path = trace_arena_copy(source->arena, word.at + 1, word.size - 1);
	return path ? trace_source_add_file(source, path, error) : -EP_NO_MEMORY;
}

/* Here, or it would go on into the next part. @rest: what is not copied of this one. */
static int reject_open_quote(struct trace_source *source, const char *rest, const char *quote,
			     struct ep_error_at *error)
{
	size_t column = source->size + (size_t)(quote - rest);

	if (append(source, rest, strlen(rest)))
		return -EP_NO_MEMORY;
	fail(source, EP_SYNTAX, error, TRACE_QUOTE_OPEN);
	if (error)
		error->column = column;
	return -EP_SYNTAX;
}

int trace_source_add(struct trace_source *source, const char *text, const char *name,
		     struct ep_error_at *error)
{
	struct trace_scanner scanner = {.text = text, .at = text};
	const char *copied = text;
	struct trace_span word;
	int failed = begin_part(source, name, 1);

	while (!failed && trace_scan_definition(&scanner)) {
		bool is_file = *scanner.at == '@';
		const char *start = scanner.at, *quote = NULL;

		while (trace_scan_word(&scanner, &word) && !is_file && !quote)
			quote = trace_span_open_quote(word);
		if (quote)
			return reject_open_quote(source, copied, quote, error);
		if (!is_file)
			continue;
		failed = append(source, copied, (size_t)(start - copied));
		word = (struct trace_span){start, strcspn(start, " \t\r,;\n")};
		if (!failed)
			failed = include(source, word, error);
		if (!failed)
			failed = begin_part(source, name, 1 + lines_in(text, start));
		copied = start + word.size;
		scanner.at = copied;
	}
	if (!failed)
		failed = append(source, copied, strlen(copied));
	return failed ? failed : append(source, "\n", 1);
}

/* ---- errors -------------------------------------------------------------------------------- */

static const struct trace_source_part *part_at(const struct trace_source *source, size_t column)
{
	const struct trace_source_part *ret = NULL;

	for (size_t i = 0; i < source->part_count && source->parts[i].start <= column; i++)
		ret = &source->parts[i];
	return ret;
}

/* The definition around @at; an empty one where there is none. */
static struct trace_span definition_around(const struct trace_source *source, const char *at)
{
	struct trace_scanner scanner = {.text = source->text, .at = source->text};
	struct trace_span word, ret = {at, 0};

	while (trace_scan_definition(&scanner) && scanner.at <= at) {
		const char *start = scanner.at;

		while (trace_scan_word(&scanner, &word))
			;
		if (scanner.at >= at)
			ret = (struct trace_span){start, (size_t)(scanner.at - start)};
	}
	return ret;
}

/* What of it is in the line of @at: quotes may go on in the next. */
static struct trace_span line_of(struct trace_span definition, const char *at)
{
	const char *start = at, *end = at;

	while (start > definition.at && start[-1] != '\n')
		start--;
	while (end < definition.at + definition.size && *end != '\n')
		end++;
	return (struct trace_span){start, (size_t)(end - start)};
}

struct out {
	char *at;
	size_t size, used;
};

static void put(struct out *out, const char *text, size_t size)
{
	if (size > out->size - out->used)
		size = out->size - out->used;
	memcpy(out->at + out->used, text, size);
	out->used += size;
	out->at[out->used] = '\0';
}

/* What a file or a program wrote may be meant for the terminal. Tabs stay, for the caret's sake. */
static void put_plain(struct out *out, const char *text, size_t size)
{
	const char *end = text + size;

	while (text < end && *text) {
		unsigned int shown = *text == '\t' ? 1 : trace_text_shown(text);

		put(out, shown ? text : "?", shown ? shown : 1);
		text += shown ? shown : 1;
	}
}

static void put_caret(struct out *out, struct trace_span line, const char *at)
{
	put(out, "  ", 2);
	put_plain(out, line.at, line.size);
	put(out, "\n  ", 3);
	for (const char *c = line.at; c < at; c++)
		put(out, *c == '\t' ? "\t" : " ", 1);
	put(out, "^\n", 2);
}

size_t trace_source_explain(const struct trace_source *source, const struct ep_error_at *error,
			    char *ret, size_t size)
{
	const char *at =
		source->text + (error->column < source->size ? error->column : source->size);
	const struct trace_source_part *part = part_at(source, error->column);
	struct trace_span line = line_of(definition_around(source, at), at);
	struct out out = {ret, size - 1, 0};
	char number[32];

	ret[0] = '\0';
	if (part && part->name && part->name[0] != '-') {
		size_t in_part = lines_in(source->text + part->start, at);
		int digits = snprintf(number, sizeof(number), ":%zu: ", part->line + in_part);

		put_plain(&out, part->name, strlen(part->name));
		put(&out, number, (size_t)digits);
	}
	put_plain(&out, error->message, strlen(error->message));
	put(&out, "\n", 1);
	if (line.size)
		put_caret(&out, line, at);
	return out.used;
}
