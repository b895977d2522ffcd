/* SPDX-License-Identifier: MIT */
/*
 * libstdc++ demangles, where there is one; a name of a hundred bytes can make it write gigabytes, and it
 * has no limit to give it. So a child does it, with limits of its own, and says name for name what it
 * found. When one kills it, another child goes on, and says each name at once, so that it is known which
 * one is to be left out.
 *
 * Rust's names are those of C++ with a hash behind them, which nobody asks for.
 */
#include "cli/demangle.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANGLED_MAX   4096u  /* bytes of a name that is looked at */
#define DEMANGLED_MAX 16384u /* bytes of what is shown of one */
#define CHILDREN_MAX  8
#define TIME_MAX      100000 /* microseconds of the processor, for one */
#define MEMORY_MAX    (1ul << 30)

typedef char *(*demangler)(const char *name, char *buffer, size_t *size, int *status);

static demangler find_demangler(void)
{
	static void *library;
	demangler ret = NULL;
	void *symbol;

	if (!library)
		library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);
	symbol = library ? dlsym(library, "__cxa_demangle") : NULL;
	memcpy(&ret, &symbol, sizeof(ret));
	return ret;
}

static bool is_mangled(const char *name)
{
	return strncmp(name, "_Z", 2) == 0 && strnlen(name, MANGLED_MAX) < MANGLED_MAX;
}

/* "::h0123456789abcdef" at the end. */
static void strip_hash(char *name)
{
	size_t size = strlen(name), hash = strlen("::h0123456789abcdef");
	char *at = name + size - hash;

	if (size > hash && strncmp(at, "::h", 3) == 0 &&
	    strspn(at + 3, "0123456789abcdef") == hash - 3)
		*at = '\0';
}

/* ---- the child ----------------------------------------------------------------------------- */

static void limit(void)
{
	const struct rlimit memory = {MEMORY_MAX, MEMORY_MAX}, none = {0, 0};

	setrlimit(RLIMIT_DATA, &memory);
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGVTALRM, SIG_DFL);
}

/* Its size, and itself; 0: there is none. */
static bool send(FILE *to, const char *name)
{
	uint32_t size = name ? (uint32_t)strnlen(name, DEMANGLED_MAX) : 0;

	return fwrite(&size, sizeof(size), 1, to) == 1 &&
	       fwrite(name ? name : "", 1, size, to) == size;
}

struct job {
	demangler demangle;
	const char *const *names;
	size_t count;
	char **ret;
	bool careful; /* one of the names is deadly */
};

_Noreturn static void work(FILE *to, const struct job *job)
{
	const struct itimerval time = {.it_value = {.tv_usec = TIME_MAX}};
	bool sent = true;

	limit();
	for (size_t i = 0; i < job->count && sent; i++) {
		char *name = NULL;
		int status;

		if (is_mangled(job->names[i])) {
			setitimer(ITIMER_VIRTUAL, &time, NULL);
			name = job->demangle(job->names[i], NULL, NULL, &status);
		}
		if (name)
			strip_hash(name);
		sent = send(to, name) && (!job->careful || fflush(to) == 0);
		free(name);
	}
	fflush(to);
	_exit(0);
}

/* ---- the parent ---------------------------------------------------------------------------- */

/* How many it has done. */
static size_t receive(FILE *from, size_t count, char **ret)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t size;

		if (fread(&size, sizeof(size), 1, from) != 1 || size > DEMANGLED_MAX)
			return i;
		if (!size)
			continue;
		ret[i] = calloc(1, size + 1);
		if (!ret[i] || fread(ret[i], 1, size, from) != size) {
			free(ret[i]);
			ret[i] = NULL;
			return i;
		}
	}
	return count;
}

static size_t do_some(const struct job *job)
{
	int ends[2];
	size_t done;
	FILE *from;
	pid_t pid;

	if (pipe(ends))
		return job->count;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		FILE *to = fdopen(ends[1], "w");

		close(ends[0]);
		if (!to)
			_exit(1);
		work(to, job);
	}
	close(ends[1]);
	from = pid > 0 ? fdopen(ends[0], "r") : NULL;
	done = from ? receive(from, job->count, job->ret) : job->count;
	if (from)
		fclose(from);
	else
		close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return done;
}

void demangle_all(const char *const *names, size_t count, char **ret)
{
	struct job job = {.names = names, .count = count, .ret = ret};

	memset(ret, 0, count * sizeof(*ret));
	for (size_t i = 0; i < count && !job.demangle; i++)
		if (is_mangled(names[i]) && !(job.demangle = find_demangler()))
			return;
	for (int child = 0; job.demangle && child < CHILDREN_MAX && job.count; child++) {
		size_t done = do_some(&job);

		/* The next one is what it died of. */
		if (job.careful && done < job.count)
			done++;
		job.careful = true;
		job.names += done;
		job.ret += done;
		job.count -= done;
	}
}
