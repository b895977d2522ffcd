/* SPDX-License-Identifier: MIT */
/*
 * The dynamic linker ignores LD_PRELOAD, is not there at all, or is one that our library breaks:
 * what such a program is can be read from its file before it runs. The launcher asks before it
 * starts a program; a probed process asks while it executes one, in a probe's handler, where
 * nothing of libc may be called. So it is plain system calls.
 */
#include "trace/execute/executable.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "sys/call.h"

#define SCRIPT_DEPTH 5 /* execve(2), "Interpreter scripts" */
#define NO_SETUID    2 /* statfs(2), ST_NOSUID */
#define SEGMENTS_MAX 128

EP_TRAP_PATH static long read_at(int fd, void *to, size_t size, uint64_t at)
{
	return sys4(SYS_pread64, fd, to, size, at);
}

EP_TRAP_PATH static bool starts_with(const char *text, const char *start)
{
	while (*start)
		if (*text++ != *start++)
			return false;
	return true;
}

EP_TRAP_PATH static const char *basename_of(const char *path)
{
	const char *ret = path;

	for (; *path; path++)
		if (*path == '/')
			ret = path + 1;
	return ret;
}

/* ---- ELF ----------------------------------------------------------------------------------- */

/* Run as programs, dynamic linkers have no interpreter, but do preload. */
EP_TRAP_PATH static enum trace_unprobed of_linker(const char *path, enum trace_unprobed other)
{
	const char *name = basename_of(path);

	if (starts_with(name, "ld-linux") || starts_with(name, "ld.so") ||
	    starts_with(name, "ld-2."))
		return TRACE_PROBED;
	return starts_with(name, "ld-musl") ? TRACE_UNPROBED_MUSL : other;
}

EP_TRAP_PATH static enum trace_unprobed of_interpreter(int fd, const Elf64_Phdr *segment)
{
	char path[256];
	size_t size = segment->p_filesz < sizeof(path) - 1 ? segment->p_filesz : sizeof(path) - 1;
	long got = read_at(fd, path, size, segment->p_offset);

	if (got <= 0)
		return TRACE_PROBED;
	path[got] = '\0';
	return of_linker(path, TRACE_UNPROBED_OTHER_LIBC);
}

EP_TRAP_PATH static enum trace_unprobed of_segments(int fd, const char *path,
						    const Elf64_Ehdr *header)
{
	Elf64_Phdr segment;

	for (unsigned int i = 0; i < header->e_phnum && i < SEGMENTS_MAX; i++) {
		if (header->e_phentsize != sizeof(segment) ||
		    read_at(fd, &segment, sizeof(segment), header->e_phoff + i * sizeof(segment)) !=
			    (long)sizeof(segment))
			return TRACE_PROBED; /* nothing that could be executed */
		if (segment.p_type == PT_INTERP)
			return of_interpreter(fd, &segment);
	}
	return of_linker(path, header->e_type == ET_DYN ? TRACE_UNPROBED_STATIC_PIE
							: TRACE_UNPROBED_STATIC);
}

EP_TRAP_PATH static enum trace_unprobed of_elf(int fd, const char *path, const Elf64_Ehdr *header)
{
	bool is_32 = header->e_ident[EI_CLASS] == ELFCLASS32;

	if (header->e_ident[EI_DATA] != ELFDATA2LSB)
		return TRACE_UNPROBED_OTHER_MACHINE;
	if (header->e_machine == EM_386)
		return TRACE_UNPROBED_I386;
	if (header->e_machine != EM_X86_64)
		return TRACE_UNPROBED_OTHER_MACHINE;
	return is_32 ? TRACE_UNPROBED_X32 : of_segments(fd, path, header);
}

/* ---- privileges ---------------------------------------------------------------------------- */

/* Where the kernel does not give them, there are none. */
EP_TRAP_PATH static bool gives_privileges(int fd)
{
	struct statfs status;

	return sys4(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0) != 1 &&
	       (sys3(SYS_fstatfs, fd, &status, 0) < 0 || !(status.f_flags & NO_SETUID));
}

EP_TRAP_PATH static enum trace_unprobed of_privileges(int fd)
{
	static const char name[] = "security.capability";
	long user = sys3(SYS_getuid, 0, 0, 0);
	struct stat status;

	if (sys3(SYS_fstat, fd, &status, 0) < 0 || !gives_privileges(fd))
		return TRACE_PROBED;
	if ((status.st_mode & S_ISUID) && status.st_uid != user)
		return TRACE_UNPROBED_SETUID;
	if ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    status.st_gid != sys3(SYS_getgid, 0, 0, 0))
		return TRACE_UNPROBED_SETGID;
	if (user != 0 && sys4(SYS_fgetxattr, fd, name, NULL, 0) > 0)
		return TRACE_UNPROBED_CAPABILITIES;
	return TRACE_PROBED;
}

/* ---- a file -------------------------------------------------------------------------------- */

/* "#! /bin/sh -e": the path in it, cut out in place. NULL: there is none. */
EP_TRAP_PATH static const char *interpreter_of(char *line, long size)
{
	char *start = line + 2, *end;

	line[size] = '\0';
	while (*start == ' ' || *start == '\t')
		start++;
	for (end = start; *end && *end != ' ' && *end != '\t' && *end != '\n' && *end != '\r';)
		end++;
	*end = '\0';
	return *start ? start : NULL;
}

union start {
	Elf64_Ehdr header;
	char bytes[TRACE_EXECUTABLE_LINE];
};

/* TRACE_UNPROBED_COUNT: it is a script, and ret->interpreter is next. */
EP_TRAP_PATH static enum trace_unprobed of_file(int fd, const char *path,
						struct trace_executable *ret)
{
	union start start;
	long size = read_at(fd, &start, sizeof(start) - 1, 0);
	enum trace_unprobed why;

	if (size >= 2 && start.bytes[0] == '#' && start.bytes[1] == '!') {
		for (long i = 0; i < size; i++)
			ret->line[i] = start.bytes[i];
		ret->interpreter = interpreter_of(ret->line, size);
		return ret->interpreter ? TRACE_UNPROBED_COUNT : TRACE_PROBED;
	}
	why = of_privileges(fd);
	if (why || size < (long)sizeof(Elf32_Ehdr) || !starts_with(start.bytes, ELFMAG))
		return why;
	return of_elf(fd, path, &start.header);
}

EP_TRAP_PATH enum trace_unprobed trace_executable_look(int folder, const char *path,
						       struct trace_executable *ret)
{
	enum trace_unprobed why = TRACE_UNPROBED_COUNT;

	ret->interpreter = NULL;
	for (unsigned int depth = 0; depth < SCRIPT_DEPTH && why == TRACE_UNPROBED_COUNT; depth++) {
		/* Its own descriptor may be what is executed: execveat(fd, ""). */
		bool is_open = !*path && folder >= 0;
		long fd = is_open ? folder
				  : sys4(SYS_openat, folder, path,
					 O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);

		if (fd < 0) /* missing, or executable but not readable */
			return TRACE_PROBED;
		why = of_file((int)fd, path, ret);
		if (!is_open)
			sys3(SYS_close, fd, 0, 0);
		folder = AT_FDCWD;
		path = ret->interpreter;
	}
	return why == TRACE_UNPROBED_COUNT ? TRACE_PROBED : why;
}

EP_TRAP_PATH int trace_executable_is_hurt(enum trace_unprobed why)
{
	return why == TRACE_UNPROBED_MUSL || why == TRACE_UNPROBED_OTHER_LIBC ||
	       why == TRACE_UNPROBED_I386 || why == TRACE_UNPROBED_X32 ||
	       why == TRACE_UNPROBED_NO_LIBRARY;
}

/* ---- words --------------------------------------------------------------------------------- */

static const struct {
	const char *word, *why, *remedy;
} texts[TRACE_UNPROBED_COUNT] = {
#define TRACE_UNPROBED_TEXT(name, word, why, remedy) [TRACE_UNPROBED_##name] = {word, why, remedy},
	TRACE_UNPROBED(TRACE_UNPROBED_TEXT)
#undef TRACE_UNPROBED_TEXT
};

static bool is_reason(unsigned int why)
{
	return why > TRACE_PROBED && why < TRACE_UNPROBED_COUNT;
}

const char *trace_unprobed_word(unsigned int why)
{
	return is_reason(why) ? texts[why].word : "?";
}

const char *trace_unprobed_why(unsigned int why)
{
	return is_reason(why) ? texts[why].why : "?";
}

const char *trace_unprobed_remedy(unsigned int why)
{
	return is_reason(why) ? texts[why].remedy : "?";
}
