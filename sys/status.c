/* SPDX-License-Identifier: MIT */
/*
 * /proc/self/status is lines of "Name:\tvalue". It is asked before the first probe and while the
 * program's libc may not be set up, so it is read by bare system calls, and a number is read without
 * strtol(), which looks at the locale. All that is asked for stands in the first 4 KiB.
 */
#include "sys/status.h"

#include <string.h>

#include "sys/files.h"

/* Fills @text, with a zero at the end; an unreadable file is an empty one. */
static void read_status(char *text, size_t size)
{
	int fd = sys_open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	long length = 0;

	if (fd >= 0) {
		length = sys_read(fd, text, size - 1);
		sys_close(fd);
	}
	text[length > 0 ? length : 0] = '\0';
}

static const char *value_in(const char *line, const char *name)
{
	size_t length = strlen(name);

	return strncmp(line, name, length) == 0 && line[length] == ':' ? line + length + 1 : NULL;
}

unsigned long sys_status(const char *name)
{
	const char *line, *value = NULL;
	unsigned long number = 0;
	char text[4096];

	read_status(text, sizeof(text));
	for (line = text; line && *line && !value; line = strchr(line, '\n'), line += line != NULL)
		value = value_in(line, name);
	if (!value)
		return 0;
	for (value += strspn(value, "\t "); *value >= '0' && *value <= '9'; value++)
		number = number * 10 + (unsigned long)(*value - '0');
	return number;
}
