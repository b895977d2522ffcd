/* SPDX-License-Identifier: MIT */
/*
 * What can be probed: a line for each function, which is a definition, since a place alone is one; how its
 * author calls it is a comment behind it.
 */
#include "cli/list.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/demangle.h"
#include "cli/objects.h"
#include "cli/program.h"
#include "trace/base/text.h"
#include "trace/language/parse.h"
#include "trace/report/line.h"

#define NAME_MAX_SHOWN (16u << 10) /* bytes of each of a line's names */

struct function {
	struct ep_listed listed;
	char *symbol;
};

struct list {
	const struct options *options;
	struct ep_place place;
	bool objects_only;
	const char *name, *path; /* of the object */
	struct function *functions;
	size_t count, room;
	size_t printed;
	struct trace_line line;
};

/* ---- a line -------------------------------------------------------------------------------- */

/* Could it mean anything but itself? */
static bool needs_quotes(const char *name, const char *special)
{
	return name[strcspn(name, special)] || !*name || (*name >= '0' && *name <= '9');
}

static void put_name(struct trace_text *text, const char *name, const char *special)
{
	bool quoted = needs_quotes(name, special);

	if (!quoted) {
		trace_text_plain_within(text, name, NAME_MAX_SHOWN);
		return;
	}
	trace_text_char(text, '"');
	for (const char *at = name; *at && at - name < NAME_MAX_SHOWN;) {
		unsigned int size = trace_text_shown(at);

		if (*at == '"' || *at == '\\')
			trace_text_char(text, '\\');
		for (unsigned int i = 0; i < size; i++)
			trace_text_char(text, at[i]);
		if (!size)
			trace_text_char(text, '?');
		at += size ? size : 1;
	}
	trace_text_char(text, '"');
}

/* As a definition has it. */
static void put_place(struct trace_text *text, const struct list *list,
		      const struct function *function)
{
	put_name(text, list->name, " \t\r\n,;\"*?[\\#");
	trace_text_char(text, ':');
	put_name(text, function->symbol, " \t\r\n,;\"*?[\\#@+%(:/");
	if (function->listed.version) {
		trace_text_char(text, '@');
		trace_text_plain_within(text, function->listed.version, NAME_MAX_SHOWN);
	}
}

static const char *why(const struct ep_listed *listed)
{
	if (listed->is_indirect)
		return "indirect: another function is chosen when it is loaded";
	return listed->reason ? ep_strerror(listed->reason) : "";
}

static void put_text(struct list *list, const struct function *function, const char *demangled)
{
	const struct ep_listed *listed = &function->listed;
	struct trace_text *text = &list->line.text;
	size_t start;

	if (list->options->verbose) {
		trace_line_left(&list->line, listed->is_planned ? ep_plan_name(listed->plan) : "-",
				7);
		start = text->used;
		trace_text_hex(text, listed->offset);
		trace_text_pad(text, start, 10);
		trace_line_right(&list->line, listed->size, 7);
		trace_text_string(text, "  ");
	}
	start = text->used;
	put_place(text, list, function);
	if (list->options->verbose) {
		trace_text_pad(text, start, 34);
		trace_line_left(&list->line, listed->insn, *why(listed) || demangled ? 32 : 0);
		trace_text_string(text, why(listed));
	}
	if (!demangled)
		return;
	trace_text_string(text, "  # ");
	trace_text_plain_within(text, demangled, NAME_MAX_SHOWN);
}

static void put_string(struct trace_text *text, const char *key, const char *value)
{
	trace_text_string(text, key);
	if (value)
		trace_text_json_within(text, value, NAME_MAX_SHOWN);
	else
		trace_text_string(text, "null");
}

static void put_json(struct list *list, const struct function *function, const char *demangled)
{
	const struct ep_listed *listed = &function->listed;
	struct trace_text *text = &list->line.text;

	put_string(text, "{\"type\":\"function\",\"object\":", list->name);
	put_string(text, ",\"symbol\":", function->symbol);
	put_string(text, ",\"version\":", listed->version);
	put_string(text, ",\"demangled\":", demangled);
	trace_line_number(&list->line, ",\"offset\":", listed->offset);
	trace_line_number(&list->line, ",\"size\":", listed->size);
	trace_text_string(text, listed->is_unnamed ? ",\"named\":false" : ",\"named\":true");
	trace_text_string(text, listed->is_indirect ? ",\"indirect\":true" : ",\"indirect\":false");
	if (listed->is_planned) {
		put_string(text, ",\"plan\":", ep_plan_name(listed->plan));
		put_string(text,
			   ",\"reason\":", listed->reason ? ep_error_name(listed->reason) : NULL);
		put_string(text, ",\"insn\":", listed->insn);
	}
	trace_text_char(text, '}');
}

static int write_line(struct list *list)
{
	trace_text_char(&list->line.text, '\n');
	list->printed++;
	if (fwrite(list->line.buffer, 1, list->line.text.used, stdout) == list->line.text.used)
		return 0;
	complain("standard output: %s", strerror(errno));
	return EXIT_OURS;
}

static void begin_line(struct list *list)
{
	list->line.text = (struct trace_text){list->line.buffer, sizeof(list->line.buffer) - 1, 0};
}

/* ---- an object ----------------------------------------------------------------------------- */

static int add(const struct ep_listed *listed, void *data)
{
	struct list *list = data;
	struct function function = {*listed, strdup(listed->symbol)};

	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 1024;
		struct function *grown = reallocarray(list->functions, room, sizeof(*grown));

		if (!grown) {
			free(function.symbol);
			return -EP_NO_MEMORY;
		}
		list->functions = grown;
		list->room = room;
	}
	if (!function.symbol)
		return -EP_NO_MEMORY;
	list->functions[list->count++] = function;
	return 0;
}

static int print_functions(struct list *list)
{
	static char room[DEMANGLE_NAME_MAX];
	int error = 0;

	for (size_t i = 0; i < list->count && !error; i++) {
		const struct function *function = &list->functions[i];
		const char *meaning = demangle(function->symbol, room, sizeof(room));

		if (meaning == function->symbol)
			meaning = NULL;
		begin_line(list);
		if (list->options->format == TRACE_FORMAT_JSON)
			put_json(list, function, meaning);
		else
			put_text(list, function, meaning);
		error = write_line(list);
	}
	return error;
}

static void forget_functions(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->functions[i].symbol);
	list->count = 0;
}

static int print_object(struct list *list)
{
	begin_line(list);
	if (list->options->format == TRACE_FORMAT_JSON) {
		put_string(&list->line.text, "{\"type\":\"object\",\"object\":", list->name);
		put_string(&list->line.text, ",\"path\":", list->path);
		trace_text_char(&list->line.text, '}');
	} else {
		trace_line_left(&list->line, list->name, 24);
		trace_text_plain_within(&list->line.text, list->path, NAME_MAX_SHOWN);
	}
	return write_line(list);
}

static int visit(struct ep_image *image, const char *path, void *data)
{
	struct list *list = data;
	int error;

	if (!ep_image_is_meant(image, &list->place))
		return 0;
	list->name = ep_image_name(image);
	list->path = path;
	if (list->objects_only)
		return print_object(list);
	error = ep_image_functions(image, &list->place, list->options->verbose, add, list);
	if (error)
		complain("%s: %s", path, ep_strerror(error));
	error = error ? EXIT_OURS : print_functions(list);
	forget_functions(list);
	return error;
}

/* ---- what is asked for --------------------------------------------------------------------- */

/* "libc:" */
static bool take_object(struct list *list, const char *pattern, struct trace_arena *arena)
{
	size_t size = strlen(pattern);

	if (!size || pattern[size - 1] != ':')
		return false;
	list->objects_only = true;
	list->place.object = trace_arena_copy(arena, pattern, size - 1);
	return true;
}

static int take_pattern(struct list *list, const char *pattern, struct trace_arena *arena)
{
	struct trace_definitions definitions = {0};
	struct ep_error_at error = {0};
	struct trace_source source;

	if (take_object(list, pattern, arena))
		return 0;
	if (trace_source_init(&source, arena) || trace_source_add(&source, pattern, "-l", &error) ||
	    trace_definitions_parse(source.text, arena, &definitions, &error)) {
		if (error.error)
			complain_about(&source, &error);
		return EXIT_OURS;
	}
	if (definitions.count != 1 || definitions.list[0].arg_count) {
		complain("-l %s: a place, or a pattern of places, is needed", pattern);
		return EXIT_OURS;
	}
	list->place = definitions.list[0].place;
	return 0;
}

/* A path, with a symbol behind it or not. */
static bool is_path_and_symbol(const char *operand)
{
	return strchr(operand, '/') && strchr(operand, ':') && access(operand, F_OK) != 0;
}

/* "/lib/libc.so.6:mem*": the file that it names is the one that is listed. */
static int list_path_of_place(struct list *list)
{
	const char *path = list->place.object;

	if (!path)
		return complain("-l: no program or library"), EXIT_OURS;
	list->place.object = NULL;
	return objects_of_file(path, false, visit, list);
}

static int list_file(struct list *list, const char *name)
{
	char path[PATH_MAX];
	bool all = list->place.object != NULL;
	int error = 0;

	/* A library need not be executable. */
	if (access(name, R_OK) == 0)
		snprintf(path, sizeof(path), "%s", name);
	else
		error = program_find(name, path, sizeof(path));
	return error ? error : objects_of_file(path, all, visit, list);
}

static int list_asked(struct list *list, char *const *operands, struct trace_arena *arena)
{
	const char *first = operands[0], *second = first ? operands[1] : NULL;
	int pid = list->options->pids[0], error = 0;

	if (second && (pid || operands[2]))
		return complain("-l: too much behind the options: %s", pid ? second : operands[2]),
		       EXIT_OURS;
	if (!first && !pid)
		return complain("-l: no program or library"), EXIT_OURS;
	if (first && (second || pid || is_path_and_symbol(first)))
		error = take_pattern(list, first, arena);
	if (error)
		return error;
	if (pid)
		return objects_of_process(pid, visit, list);
	if (!second && is_path_and_symbol(first))
		return list_path_of_place(list);
	return list_file(list, second ? second : first);
}

int list_run(const struct options *options, struct trace_arena *arena)
{
	static struct list list;
	int error;

	list.options = options;
	list.place.symbol = "*";
	error = list_asked(&list, options->command, arena);
	if (!error && !list.printed) {
		complain("%s", ep_strerror(EP_NO_MATCH));
		error = EXIT_OURS;
	}
	if (fflush(stdout) && !error) {
		complain("standard output: %s", strerror(errno));
		error = EXIT_OURS;
	}
	free(list.functions);
	return error;
}
