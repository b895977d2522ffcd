/* SPDX-License-Identifier: MIT */
/*
 * This library starts before libc has set environ, so getenv() finds nothing: the dynamic linker's
 * envp is read, and changed, directly.
 */
#include "preload/settings.h"

#include <stdlib.h>
#include <string.h>

#include "trace/execute/environment.h"

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

static bool read_sample(const char *value, uint32_t *ret)
{
	char *end;
	unsigned long number = value ? strtoul(value, &end, 10) : 0;

	*ret = 1;
	if (!value || !*value)
		return true;
	if (*value < '0' || *value > '9' || *end || !number || number > TRACE_SAMPLE_MAX)
		return false;
	*ret = (uint32_t)number;
	return true;
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
		.hide = is_on(envp, TRACE_HIDE),
	};
	ret->inherited =
		ret->definitions && strncmp(ret->definitions, INHERITED, strlen(INHERITED)) == 0;
	if (!read_plan(find(envp, "EMUPROBE_PLAN"), &ret->plan))
		return "EMUPROBE_PLAN: auto, trap, emulate, boost or jump";
	if (!read_format(find(envp, "EMUPROBE_FORMAT"), &ret->format))
		return "EMUPROBE_FORMAT: text or json; other formats need the launcher";
	if (!read_sample(find(envp, "EMUPROBE_SAMPLE"), &ret->sample))
		return "EMUPROBE_SAMPLE: a number from 1 to 1000000";
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

/* ---- hiding and handing on ----------------------------------------------------------------- */

void settings_hide(char **envp, struct trace_arena *arena)
{
	static const char *const none[] = {NULL};
	const struct trace_environment nothing = {.library = "", .variables = none};
	size_t size = trace_environment_size(envp, &nothing);
	void *block = trace_arena_alloc(arena, size);
	char **clean = block ? trace_environment_clean(envp, block, size) : NULL;

	if (!clean)
		return;
	while ((*envp++ = *clean++))
		;
}

const char *const *settings_of_executed(char *const *envp, struct trace_arena *arena)
{
	size_t count = 0, used = 0;
	const char **ret;

	while (envp[count])
		count++;
	ret = trace_arena_alloc(arena, (count + 1) * sizeof(*ret));
	for (; ret && *envp; envp++)
		if (trace_environment_is_ours(*envp) &&
		    strncmp(*envp, TRACE_HIDE, strlen(TRACE_HIDE)) != 0)
			ret[used++] = trace_arena_copy(arena, *envp, strlen(*envp));
	return ret;
}
