/* SPDX-License-Identifier: MIT */
/*
 * Which file is the program? The loader does not tell, and /proc/self/exe is the loader itself
 * where that was started explicitly ("ld-linux-x86-64.so.2 ./program"). It is the file whose
 * mapping holds the program headers that the loader works with. Where that is /proc/self/exe, it
 * can be opened by that name, also when it has none any more: an unlinked file, or a memfd.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "probe/image/object.h"
#include "sys/files.h"

#define LINE_SIZE (PATH_MAX + 128)

/* "LO-HI PERMISSIONS OFFSET DEVICE INODE      PATH" */
static bool take_path(const char *line, uint64_t address, char *ret)
{
	unsigned long lo, hi;
	int at = 0;

	if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &lo, &hi, &at) < 2 || address < lo ||
	    address >= hi)
		return false;
	snprintf(ret, PATH_MAX, "%s", at ? line + at : "");
	return true;
}

/* The path that the kernel has for the mapping of @address; "": none. */
static void mapped_path(uint64_t address, char *ret)
{
	int fd = sys_open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
	char buffer[4096], line[LINE_SIZE];
	size_t used = 0;
	bool found = false;
	long size;

	*ret = '\0';
	while (fd >= 0 && !found && (size = sys_read(fd, buffer, sizeof(buffer))) > 0)
		for (long i = 0; i < size && !found; i++) {
			if (buffer[i] != '\n') {
				line[used] = buffer[i];
				used += used < sizeof(line) - 1;
				continue;
			}
			line[used] = '\0';
			used = 0;
			found = take_path(line, address, ret);
		}
	if (fd >= 0)
		sys_close(fd);
}

/* "/tmp/program (deleted)": the kernel's way to say that it has no name any more. */
static void strip_deleted(char *path)
{
	static const char mark[] = " (deleted)";
	size_t size = strlen(path), mark_size = sizeof(mark) - 1;

	if (size > mark_size && strcmp(path + size - mark_size, mark) == 0 && !sys_exists(path))
		path[size - mark_size] = '\0';
}

/* "a\012b": so the kernel shows a newline, and nothing else, in its list of mappings. */
static void undo_escapes(char *path)
{
	static const char escape[] = "\\012";
	char *to = path;

	if (!strstr(path, escape) || sys_exists(path))
		return;
	while (*path) {
		bool is_newline = strncmp(path, escape, strlen(escape)) == 0;

		*to++ = is_newline ? '\n' : *path;
		path += is_newline ? strlen(escape) : 1;
	}
	*to = '\0';
}

char *objects_executable_path(const void *phdrs, bool *ret_is_self)
{
	char mapped[PATH_MAX], self[PATH_MAX];
	long size = sys_readlink("/proc/thread-self/exe", self, sizeof(self) - 1);

	self[size > 0 ? size : 0] = '\0';
	mapped_path((uint64_t)phdrs, mapped);
	undo_escapes(mapped);
	*ret_is_self = *self && (!*mapped || strcmp(self, mapped) == 0);
	if (!*mapped)
		snprintf(mapped, sizeof(mapped), "%s",
			 *self ? self : (const char *)getauxval(AT_EXECFN));
	strip_deleted(mapped);
	return strdup(mapped);
}
