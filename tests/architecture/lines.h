/* SPDX-License-Identifier: MIT */
/* Text by lines: files of the repository and what binutils print. */
#ifndef EMUPROBE_TESTS_ARCHITECTURE_LINES_H
#define EMUPROBE_TESTS_ARCHITECTURE_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct lines {
	char **line;
	size_t count;
};

/* What a shell command prints; fails the test when its exit status is none of 0 and 1 (grep). */
__attribute__((format(printf, 1, 2))) struct lines lines_of(const char *command, ...);

/* A file, by its path from the root of the repository. */
struct lines lines_in(const char *path);

void lines_destroy(struct lines *lines);

/* "find" for the sources of the project: every *.c, *.h and *.S, as paths from the root. */
struct lines sources(void);

bool starts_with(const char *text, const char *prefix);

/* Does @text match an extended regular expression? */
bool matches(const char *text, const char *expression);

#endif
