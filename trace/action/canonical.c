/* SPDX-License-Identifier: MIT */
/*
 * What a pattern or a symbol means depends on what is loaded, and on who reads it. The path of a file
 * and an offset in it mean the same to us and to the kernel's uprobe_events, whose grammar ours is a
 * superset of: what it has no words for, a path with a blank, an argument or a filter of ours, is
 * written in ours.
 */
#include "trace/action/canonical.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "include/naming.h"
#include "sys/files.h"
#include "trace/base/text.h"
#include "trace/language/scanner.h"

#define NUMBERS_SIZE 64 /* two of them, what stands around them, and the kind */

/* Where no byte of it means anything but itself. */
static bool needs_quotes(const char *path)
{
	return path[strcspn(path, " \t\r\n,;\"\\*?[")] != '\0';
}

static void put_path(struct trace_text *text, const char *path)
{
	bool quoted = needs_quotes(path);

	if (quoted)
		trace_text_char(text, '"');
	for (; *path; path++) {
		if (quoted && (*path == '"' || *path == '\\'))
			trace_text_char(text, '\\');
		trace_text_char(text, *path);
	}
	if (quoted)
		trace_text_char(text, '"');
}

/* Names that are made up may be longer than those that can be read. */
static void put_event(struct trace_text *text, const struct trace_view *view, uint32_t index)
{
	char number[16];
	int size = snprintf(number, sizeof(number), "_%u", index);
	size_t length = strlen(view->event), kept = length;

	if (length > TRACE_NAME_MAX)
		kept = TRACE_NAME_MAX - (size_t)size;
	for (size_t i = 0; i < kept; i++)
		trace_text_char(text, view->event[i]);
	if (kept < length)
		trace_text_string(text, number);
}

/* As they were given, a blank in front of each. */
static void put_args(struct trace_text *text, const struct trace_definition *definition)
{
	const char *at = definition->text + definition->args_at;
	struct trace_scanner scanner = {.text = at, .at = at};
	struct trace_span word;

	while (trace_scan_word(&scanner, &word)) {
		trace_text_char(text, ' ');
		for (size_t i = 0; i < word.size; i++)
			trace_text_char(text, word.at[i]);
	}
}

/* The loader knows libraries by the path that it was given, which may be relative. */
static void read_path(const char *given, struct trace_text *ret)
{
	char directory[PATH_MAX];

	if (*given != '/' && *given && sys_getcwd(directory, sizeof(directory))) {
		trace_text_string(ret, directory);
		trace_text_char(ret, '/');
	}
	trace_text_string(ret, given);
	ret->buffer[ret->used] = '\0';
}

static const char *make(const struct trace_definition *definition, const struct trace_probe *probe,
			struct trace_arena *arena)
{
	const struct trace_view *view = &probe->view;
	char given[PATH_MAX], path[2 * PATH_MAX + 2];
	struct trace_text absolute = {path, sizeof(path) - 1, 0};
	struct trace_text text = {.size = 2 * sizeof(path) + 2 * TRACE_NAME_MAX + NUMBERS_SIZE +
					  2 * strlen(definition->text)};
	uint64_t offset;

	if (!ep_locate(probe->addr, given, sizeof(given), &offset))
		return view->place; /* it was unloaded meanwhile */
	read_path(given, &absolute);
	text.buffer = trace_arena_alloc(arena, text.size + 1);
	if (!text.buffer)
		return NULL;
	trace_text_string(&text, view->is_return ? "r:" : "p:");
	trace_text_string(&text, view->group);
	trace_text_char(&text, '/');
	put_event(&text, view, probe->index);
	trace_text_char(&text, ' ');
	put_path(&text, path);
	trace_text_char(&text, ':');
	trace_text_hex(&text, offset);
	if (definition->place.semaphore) {
		trace_text_char(&text, '(');
		trace_text_hex(&text, definition->place.semaphore);
		trace_text_char(&text, ')');
	}
	put_args(&text, definition);
	text.buffer[text.used] = '\0';
	return text.buffer;
}

int trace_canonical_make(const struct trace_definitions *definitions, struct trace_probes *probes,
			 struct trace_arena *arena)
{
	for (size_t i = 0; i < probes->count; i++) {
		struct trace_view *view = &probes->list[i].view;

		view->place = make(&definitions->list[view->definition], &probes->list[i], arena);
		view->note = NULL;
		if (!view->place)
			return -EP_NO_MEMORY;
	}
	return 0;
}
