/* SPDX-License-Identifier: MIT */
/*
 * ldd(1) has the program's own dynamic linker look, which is a program out of the same file, or one that
 * the file names. Nothing of a file that is only listed is executed, so we look ourselves: in the
 * folders that it names, those of LD_LIBRARY_PATH, the linker's cache, and where libraries are by
 * default (ld.so(8)).
 */
#include "cli/libraries.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CACHE_MAX  (64ul << 20)
#define X86_64_ELF 0x0303 /* flags of an entry: for libc 6, of x86-64 */

/* The head of /etc/ld.so.cache, and what it is a list of; offsets from the head. */
struct cache {
	char magic[20]; /* "glibc-ld.so.cache1.1" */
	uint32_t count, strings_size, flags, extensions, unused[3];
};

struct entry {
	int32_t flags;
	uint32_t name, path;
	uint32_t os;
	uint64_t hardware;
};

static char *read_cache(size_t *ret_size)
{
	FILE *file = fopen("/etc/ld.so.cache", "re");
	char *ret = file ? malloc(CACHE_MAX + 1) : NULL;

	*ret_size = 0;
	if (ret) {
		*ret_size = fread(ret, 1, CACHE_MAX, file);
		ret[*ret_size] = '\0';
	}
	if (file)
		fclose(file);
	return ret;
}

static const char *string_at(const char *text, size_t size, uint32_t at)
{
	return at < size ? text + at : "";
}

static bool find_in_cache(const char *name, char *ret)
{
	static char *text;
	static size_t size;
	struct cache head;

	if (!text)
		text = read_cache(&size);
	if (!text || size < sizeof(head))
		return false;
	memcpy(&head, text, sizeof(head));
	if (memcmp(head.magic, "glibc-ld.so.cache1.1", sizeof(head.magic)) != 0)
		return false;
	for (uint32_t i = 0; i < head.count && i < (size - sizeof(head)) / sizeof(struct entry);
	     i++) {
		struct entry entry;

		memcpy(&entry, text + sizeof(head) + i * sizeof(entry), sizeof(entry));
		if (entry.flags != X86_64_ELF || entry.hardware ||
		    strcmp(string_at(text, size, entry.name), name) != 0)
			continue;
		snprintf(ret, PATH_MAX, "%s", string_at(text, size, entry.path));
		return access(ret, R_OK) == 0;
	}
	return false;
}

/* "$ORIGIN/../lib", "${ORIGIN}": others of these words are not known here. */
static int put_folder(const char *folder, int size, const char *origin, char *ret)
{
	static const char *const words[] = {"$ORIGIN", "${ORIGIN}"};

	for (size_t i = 0; i < 2; i++) {
		int length = (int)strlen(words[i]);

		if (size >= length && strncmp(folder, words[i], (size_t)length) == 0)
			return snprintf(ret, PATH_MAX, "%s%.*s", origin, size - length,
					folder + length);
	}
	return snprintf(ret, PATH_MAX, "%.*s", size, folder);
}

static bool find_in(const char *folders, const char *name, const char *origin, char *ret)
{
	while (folders && *folders) {
		int size = (int)strcspn(folders, ":"), used;

		used = put_folder(folders, size, origin, ret);
		if (size && used < PATH_MAX &&
		    snprintf(ret + used, (size_t)(PATH_MAX - used), "/%s", name) <
			    PATH_MAX - used &&
		    access(ret, R_OK) == 0)
			return true;
		folders += size + (folders[size] == ':');
	}
	return false;
}

bool libraries_find(const char *name, const char *folders, const char *origin, char *ret)
{
	static const char standard[] = "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:"
				       "/usr/lib64:/lib:/usr/lib";

	if (strchr(name, '/')) {
		snprintf(ret, PATH_MAX, "%s", name);
		return access(ret, R_OK) == 0;
	}
	return find_in(folders, name, origin, ret) ||
	       find_in(getenv("LD_LIBRARY_PATH"), name, origin, ret) || find_in_cache(name, ret) ||
	       find_in(standard, name, origin, ret);
}
