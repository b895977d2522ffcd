// SPDX-License-Identifier: MIT
/*
 * The dynamic linker ignores LD_PRELOAD, or is not there at all, for some programs: they would run
 * unprobed without a word. Better to find out before, and say why. What execve() itself would
 * refuse is left to execve().
 */
#include "cli/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/options.h"

#define LIBRARY	     "libemuprobe-preload.so"
#define SCRIPT_DEPTH 5 /* execve(2), "Interpreter scripts" */

/* ---- one file ------------------------------------------------------------------------------ */

static int reject(const char *path, const char *why)
{
	complain("%s: %s", path, why);
	return EXIT_OURS;
}

static bool has_interpreter(int fd, const Elf64_Ehdr *header)
{
	for (unsigned int i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr segment;
		off_t at = (off_t)(header->e_phoff + i * sizeof(segment));

		if (header->e_phentsize != sizeof(segment) ||
		    pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
			return false;
		if (segment.p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* The dynamic linker itself, run as a program, has no interpreter but does preload. */
static bool is_dynamic_linker(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	return strncmp(name, "ld-linux", 8) == 0 || strncmp(name, "ld.so", 5) == 0;
}

static int check_elf(int fd, const char *path, const Elf64_Ehdr *header)
{
	if (header->e_ident[EI_CLASS] == ELFCLASS32)
		return reject(path, "a 32-bit program: only x86-64 programs can be probed");
	if (header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != EM_X86_64)
		return reject(path, "a program for another processor: only x86-64 ones can be "
				    "probed");
	if (!has_interpreter(fd, header) && !is_dynamic_linker(path))
		return reject(path, "statically linked: nothing can be preloaded into it");
	return 0;
}

static int check_privileges(int fd, const char *path)
{
	struct stat status;

	if (fstat(fd, &status))
		return 0;
	if ((status.st_mode & S_ISUID) && status.st_uid != getuid())
		return reject(path, "setuid: LD_PRELOAD is ignored for it");
	if ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    status.st_gid != getgid())
		return reject(path, "setgid: LD_PRELOAD is ignored for it");
	if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return reject(path, "has file capabilities: LD_PRELOAD is ignored for it");
	return 0;
}

static int check_file(const char *path, unsigned int depth);

static int check_script(int fd, unsigned int depth)
{
	char line[256] = "", *start, *end;

	if (depth == SCRIPT_DEPTH || pread(fd, line, sizeof(line) - 1, 0) < 0)
		return 0;
	start = line + 2 + strspn(line + 2, " \t");
	end = start + strcspn(start, " \t\r\n");
	*end = '\0';
	return *start ? check_file(start, depth + 1) : 0;
}

static int check_open_file(int fd, const char *path, unsigned int depth)
{
	Elf64_Ehdr header = {0};
	ssize_t size = pread(fd, &header, sizeof(header), 0);
	int error;

	if (size >= 2 && memcmp(&header, "#!", 2) == 0)
		return check_script(fd, depth);
	error = check_privileges(fd, path);
	if (error || size < (ssize_t)offsetof(Elf64_Ehdr, e_version) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return error;
	return check_elf(fd, path, &header);
}

static int check_file(const char *path, unsigned int depth)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), error;

	if (fd < 0) /* missing, or executable but not readable */
		return 0;
	error = check_open_file(fd, path, depth);
	close(fd);
	return error;
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
	complain("%s: %s", path, S_ISDIR(status.st_mode) ? "is a directory" : strerror(EACCES));
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
		complain("%s: %s", name, denied ? strerror(EACCES) : "not found");
		error = denied ? EXIT_CANNOT_EXECUTE : EXIT_NOT_FOUND;
	}
	return error ? error : check_file(ret, 0);
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
	if (!ret[strcspn(ret, " :")])
		return 0;
	complain("%s: a path with blanks or colons cannot be preloaded", ret);
	return EXIT_OURS;
}
