// SPDX-License-Identifier: MIT
/*
 * This library starts before libc has set environ, so getenv() finds nothing: the dynamic linker's
 * envp is read, and changed, directly.
 */
#include "preload/settings.h"

#include <string.h>

#define LIBRARY	  "libemuprobe-preload.so"
#define INHERITED "#inherited\n" /* a comment, to the parser */

static const char *find(char **envp, const char *name)
{
	size_t size = strlen(name);

	for (; *envp; envp++)
		if (strncmp(*envp, name, size) == 0 && (*envp)[size] == '=')
			return *envp + size + 1;
	return NULL;
}

static bool is_on(char **envp, const char *name)
{
	const char *value = find(envp, name);

	return value && *value && strcmp(value, "0") != 0;
}

static bool read_plan(const char *value, enum ep_plan *ret)
{
	*ret = EP_PLAN_AUTO;
	for (enum ep_plan plan = EP_PLAN_AUTO; value && *value && plan <= EP_PLAN_JUMP; plan++)
		if (strcmp(ep_plan_name(plan), value) == 0) {
			*ret = plan;
			return true;
		}
	return !value || !*value;
}

static bool read_format(const char *value, enum trace_format *ret)
{
	*ret = value && strcmp(value, "json") == 0 ? TRACE_FORMAT_JSON : TRACE_FORMAT_TEXT;
	return !value || !*value || *ret == TRACE_FORMAT_JSON || strcmp(value, "text") == 0;
}

const char *settings_read(char **envp, struct settings *ret)
{
	const char *output = find(envp, "EMUPROBE_OUTPUT"), *follow = find(envp, "EMUPROBE_FOLLOW");

	*ret = (struct settings){
		.definitions = find(envp, "EMUPROBE"),
		.session = find(envp, "EMUPROBE_SESSION"),
		.mode = is_on(envp, "EMUPROBE_COUNT") ? TRACE_MODE_COUNT : TRACE_MODE_EVENTS,
		.follow = !follow || strcmp(follow, "0") != 0,
		.output = output && *output ? output : NULL,
		.quiet = is_on(envp, "EMUPROBE_QUIET"),
		.verbose = is_on(envp, "EMUPROBE_VERBOSE"),
	};
	ret->inherited =
		ret->definitions && strncmp(ret->definitions, INHERITED, strlen(INHERITED)) == 0;
	if (!read_plan(find(envp, "EMUPROBE_PLAN"), &ret->plan))
		return "EMUPROBE_PLAN: auto, trap, emulate, boost or jump";
	if (!read_format(find(envp, "EMUPROBE_FORMAT"), &ret->format))
		return "EMUPROBE_FORMAT: text or json";
	return NULL;
}

void settings_mark_inherited(char **envp, struct trace_arena *arena)
{
	static const char mark[] = "EMUPROBE=" INHERITED;

	for (; *envp; envp++) {
		size_t size = strlen(*envp);
		char *entry;

		if (strncmp(*envp, "EMUPROBE=", 9) != 0)
			continue;
		entry = trace_arena_alloc(arena, sizeof(mark) + size);
		if (!entry)
			return;
		memcpy(entry, mark, sizeof(mark) - 1);
		memcpy(entry + sizeof(mark) - 1, *envp + 9, size - 9);
		*envp = entry;
	}
}

/* ---- hiding -------------------------------------------------------------------------------- */

static bool is_ours(const char *entry, size_t size)
{
	const char *name = memrchr(entry, '/', size);
	size_t name_size = name ? size - (size_t)(name + 1 - entry) : size;

	return name_size == strlen(LIBRARY) &&
	       memcmp(name ? name + 1 : entry, LIBRARY, name_size) == 0;
}

/* Entries are separated by colons or blanks. What is left is not longer: done in place. */
static void remove_from_list(char *list)
{
	char *to = list;

	for (const char *from = list; *from;) {
		size_t size = strcspn(from, ": ");

		if (size && !is_ours(from, size)) {
			if (to != list)
				*to++ = ':';
			memmove(to, from, size);
			to += size;
		}
		from += size;
		from += *from != '\0';
	}
	*to = '\0';
}

/* What the launcher has added, at the end. */
static void remove_asan_option(char *list)
{
	static const char option[] = "verify_asan_link_order=0";
	size_t size = strlen(list), ours = sizeof(option) - 1;

	if (size < ours || strcmp(list + size - ours, option) != 0)
		return;
	size -= ours;
	list[size && list[size - 1] == ':' ? size - 1 : size] = '\0';
}

static bool is_variable_of_ours(const char *variable)
{
	return strncmp(variable, "EMUPROBE=", 9) == 0 || strncmp(variable, "EMUPROBE_", 9) == 0;
}

void settings_hide(char **envp)
{
	char **to = envp;

	for (; *envp; envp++) {
		if (strncmp(*envp, "LD_PRELOAD=", 11) == 0) {
			remove_from_list(*envp + 11);
			if (!(*envp)[11])
				continue;
		}
		if (strncmp(*envp, "ASAN_OPTIONS=", 13) == 0) {
			remove_asan_option(*envp + 13);
			if (!(*envp)[13])
				continue;
		}
		if (!is_variable_of_ours(*envp))
			*to++ = *envp;
	}
	*to = NULL;
}
