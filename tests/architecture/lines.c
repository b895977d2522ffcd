/* SPDX-License-Identifier: MIT */
/* Everything is read at once and split: the largest input is one disassembly. */
#include "tests/architecture/lines.h"

#include <criterion/criterion.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static struct lines split(FILE *from)
{
	struct lines ret = {0};
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	while ((length = getline(&line, &size, from)) >= 0) {
		if (length > 0 && line[length - 1] == '\n')
			line[length - 1] = '\0';
		ret.line = reallocarray(ret.line, ret.count + 1, sizeof(*ret.line));
		ret.line[ret.count++] = strdup(line);
	}
	free(line);
	return ret;
}

struct lines lines_of(const char *command, ...)
{
	char text[4096];
	struct lines ret;
	va_list args;
	FILE *pipe;
	int length, status;

	va_start(args, command);
	length = vsnprintf(text, sizeof(text), command, args);
	va_end(args);
	cr_assert(length >= 0 && (size_t)length < sizeof(text), "command too long: %s", command);
	pipe = popen(text, "r");
	cr_assert_not_null(pipe, "cannot run %s", text);
	ret = split(pipe);
	status = pclose(pipe);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) <= 1, "%s: status %#x", text, status);
	return ret;
}

struct lines lines_in(const char *path)
{
	char full[4096];
	struct lines ret;
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", EP_SOURCE_DIR, path);
	file = fopen(full, "r");
	cr_assert_not_null(file, "cannot read %s", full);
	ret = split(file);
	fclose(file);
	return ret;
}

void lines_destroy(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->line[i]);
	free(lines->line);
	*lines = (struct lines){0};
}

struct lines sources(void)
{
	struct lines ret = lines_of("cd '%s' && find include sys x86 emu fallback-xol probe trace "
				    "preload attach cli tests perf "
				    "-name '*.[chS]' | sort",
				    EP_SOURCE_DIR);

	cr_assert_gt(ret.count, 10, "the sources were not found");
	return ret;
}

bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool matches(const char *text, const char *expression)
{
	regex_t regex;
	bool ret;

	cr_assert_eq(regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB), 0, "%s", expression);
	ret = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return ret;
}
