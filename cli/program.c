/* SPDX-License-Identifier: MIT */
/*
 * Some programs cannot be probed, and would run unprobed, or break, without a word: better to find
 * out before, and say why (trace/execute/executable.c knows). What execve() itself would refuse is left to
 * execve(), but for what its error would not explain.
 */
#include "cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/options.h"

#define LIBRARY "libemuprobe-preload.so"

/* ---- can it be probed? --------------------------------------------------------------------- */

enum trace_unprobed program_check(const char *path, const char *end)
{
	struct trace_executable executable;
	enum trace_unprobed why = trace_executable_look(AT_FDCWD, path, &executable);
	const char *interpreter = executable.interpreter;

	if (why)
		complain("%s: %s%s%s%s; %s", path, interpreter ? "its interpreter " : "",
			 interpreter ? interpreter : "", interpreter ? ": " : "",
			 trace_unprobed_why(why), end ? end : trace_unprobed_remedy(why));
	return why;
}

/* Where its mode allows it, something else forbids it. */
static const char *why_denied(const char *path)
{
	struct stat status;
	struct statvfs system;

	if (stat(path, &status) == 0 && (status.st_mode & 0111) && statvfs(path, &system) == 0 &&
	    (system.f_flag & ST_NOEXEC))
		return "is on a file system that is mounted noexec";
	return strerror(EACCES);
}

/* ---- finding it ---------------------------------------------------------------------------- */

static bool is_program(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* True: found; *denied: there was one that cannot be executed. */
static bool search_path(const char *name, char *ret, size_t size, bool *denied)
{
	const char *path = getenv("PATH");

	if (!path)
		path = "/usr/bin:/bin";
	for (;;) {
		int length = (int)strcspn(path, ":");

		snprintf(ret, size, "%.*s%s%s", length, path, length ? "/" : "./", name);
		if (is_program(ret))
			return true;
		*denied |= access(ret, F_OK) == 0;
		if (!path[length])
			return false;
		path += length + 1;
	}
}

static int check_named(const char *path)
{
	struct stat status;

	if (stat(path, &status)) {
		complain("%s: %s", path, strerror(errno));
		return errno == ENOENT || errno == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
	}
	if (is_program(path))
		return 0;
	complain("%s: %s", path, S_ISDIR(status.st_mode) ? "is a directory" : why_denied(path));
	return EXIT_CANNOT_EXECUTE;
}

int program_find(const char *name, char *ret, size_t size)
{
	bool denied = false;
	int error = 0;

	if (!*name) {
		complain("the program has no name");
		return EXIT_NOT_FOUND;
	}
	if (strchr(name, '/')) {
		snprintf(ret, size, "%s", name);
		error = check_named(ret);
	} else if (!search_path(name, ret, size, &denied)) {
		complain(is_program(name) ? "%s: %s; the one that is here is ./%s" : "%s: %s", name,
			 denied ? strerror(EACCES) : "not found", name);
		error = denied ? EXIT_CANNOT_EXECUTE : EXIT_NOT_FOUND;
	}
	return error;
}

static int check_library(const char *path)
{
	struct statvfs system;

	if (path[strcspn(path, " :")])
		complain("%s: a path with blanks or colons cannot be preloaded", path);
	else if (statvfs(path, &system) == 0 && (system.f_flag & ST_NOEXEC))
		complain("%s: is on a file system that is mounted noexec, and cannot be preloaded "
			 "from there; EMUPROBE_PRELOAD can name a copy",
			 path);
	else
		return 0;
	return EXIT_OURS;
}

int program_find_library(char *ret, size_t size)
{
	static const char *const folders[] = {".", ("../" EP_LIBDIR), "../lib"};
	const char *given = getenv("EMUPROBE_PRELOAD");
	char own[PATH_MAX], path[2 * PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	bool found = false;

	own[length > 0 ? length : 0] = '\0';
	*(strrchr(own, '/') ? strrchr(own, '/') : own) = '\0';
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && !found && !given; i++) {
		snprintf(path, sizeof(path), "%s/%s/" LIBRARY, own, folders[i]);
		found = access(path, R_OK) == 0;
	}
	if (given)
		snprintf(path, sizeof(path), "%s", given);
	if (!realpath(path, own)) {
		complain("%s: not found; EMUPROBE_PRELOAD can say where it is",
			 given ? given : LIBRARY);
		return EXIT_OURS;
	}
	snprintf(ret, size, "%s", own);
	return check_library(ret);
}
