/* SPDX-License-Identifier: MIT */
/*
 * The C++ library knows how to read its names, and is there where C++ programs are; we do not link it,
 * since most programs that are probed are not written in C++.
 *
 * A name says "as before" of its parts, so that one of a few hundred bytes can mean terabytes, and the
 * library tries to write that down. So a child reads names for us, which has little memory, and is
 * killed when it takes long: after a few such names, nobody asks any more. What a short name can mean
 * is little: that needs no child.
 *
 * Rust wrote its paths as C++ does, with a hash at the end, and characters that may not stand in a symbol as
 * $LT$ and the like. Its present names are read in rust.c.
 */
#include "cli/demangle.h"

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/rust.h"

#define SHORT_MAX  96u /* each ten bytes may double what the name means */
#define PATIENCE   100 /* ms for one name */
#define KILLED_MAX 3u
#define HASH_SIZE  19u /* "::h" and sixteen digits */

typedef char *(*read_cxx)(const char *name, char *buffer, size_t *length, int *status);

static read_cxx library(void)
{
	static const char *const names[] = {"libstdc++.so.6", "libc++abi.so.1"};
	static read_cxx found;
	static bool looked;

	for (size_t i = 0; !looked && !found && i < sizeof(names) / sizeof(names[0]); i++) {
		void *handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);

		if (handle)
			*(void **)&found = dlsym(handle, "__cxa_demangle");
	}
	looked = true;
	return found;
}

/* ---- the child ----------------------------------------------------------------------------- */

static pid_t child;
static int channel = -1; /* to the child */
static unsigned int killed;

/* A name comes as one message, and what it means goes back as one; an empty one: nothing. */
static void serve(int fd)
{
	static char name[DEMANGLE_NAME_MAX + 1], meaning[DEMANGLE_NAME_MAX];
	ssize_t size;

	while ((size = recv(fd, name, DEMANGLE_NAME_MAX, 0)) > 0) {
		int status;
		char *text;

		name[size] = '\0';
		text = library()(name, NULL, NULL, &status);
		snprintf(meaning, sizeof(meaning), "%s", text ? text : "");
		free(text);
		if (send(fd, meaning, strlen(meaning) + 1, MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

/* It has nothing of ours but the channel, and ends with us. */
static void become_child(int fd)
{
	const struct rlimit memory = {DEMANGLE_MEMORY_MAX, DEMANGLE_MEMORY_MAX};
	const struct rlimit none = {0, 0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN);
	dup2(fd, 0);
	close_range(1, ~0u, 0);
	setrlimit(RLIMIT_DATA, &memory);
	setrlimit(RLIMIT_CORE, &none);
	serve(0);
}

static bool start_child(void)
{
	int pair[2];

	if (killed == KILLED_MAX ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	child = fork();
	if (child == 0)
		become_child(pair[1]);
	close(pair[1]);
	channel = pair[0];
	if (child > 0)
		return true;
	close(channel);
	channel = -1;
	return false;
}

static void stop_child(void)
{
	close(channel);
	channel = -1;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	killed++;
}

/* False: it means nothing, or nobody knows. */
static bool ask_child(const char *name, size_t length, char *ret, size_t size)
{
	struct pollfd answer = {.events = POLLIN};
	ssize_t got = -1;

	if (channel < 0 && !start_child())
		return false;
	answer.fd = channel;
	if (send(channel, name, length, MSG_NOSIGNAL) == (ssize_t)length &&
	    poll(&answer, 1, PATIENCE) == 1)
		got = recv(channel, ret, size - 1, 0);
	if (got <= 0)
		stop_child();
	ret[got > 0 ? got : 0] = '\0';
	return *ret;
}

/* False: likewise. */
static bool read_name(const char *name, char *ret, size_t size)
{
	size_t length = strlen(name);
	char *text;
	int status;

	if (!library() || length > DEMANGLE_NAME_MAX)
		return false;
	if (length > SHORT_MAX)
		return ask_child(name, length, ret, size);
	text = library()(name, NULL, NULL, &status);
	if (!text)
		return false;
	snprintf(ret, size, "%s", text);
	free(text);
	return true;
}

/* ---- Rust's older names ---------------------------------------------------------------------------------- */

static const struct {
	const char *written, *meant;
} escapes[] = {
	{"$SP$", "@"},	{"$BP$", "*"},	{"$RF$", "&"},	{"$LT$", "<"},	{"$GT$", ">"},
	{"$LP$", "("},	{"$RP$", ")"},	{"$C$", ","},	{"$u20$", " "}, {"$u22$", "\""},
	{"$u27$", "'"}, {"$u2b$", "+"}, {"$u3b$", ";"}, {"$u5b$", "["}, {"$u5d$", "]"},
	{"$u7b$", "{"}, {"$u7d$", "}"}, {"$u7e$", "~"}, {"$u23$", "#"}, {"$u3d$", "="},
	{"_$", "$"},	{"..", "::"},
};

/* "::h0123456789abcdef" at the end. */
static bool has_hash(const char *text)
{
	size_t length = strlen(text);

	return length > HASH_SIZE && strncmp(text + length - HASH_SIZE, "::h", 3) == 0 &&
	       strspn(text + length - HASH_SIZE + 3, "0123456789abcdef") == HASH_SIZE - 3;
}

/* What stands at @text, and by how many bytes; a "_" in front of an escape is there only because an
 * identifier may not begin with one. */
static const char *meant_by(const char *text, size_t *ret_size)
{
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		*ret_size = strlen(escapes[i].written);
		if (strncmp(text, escapes[i].written, *ret_size) == 0)
			return escapes[i].meant;
	}
	*ret_size = 1;
	return NULL;
}

/* In place: nothing becomes longer. */
static void read_rust(char *text)
{
	char *to = text;
	size_t size;

	text[strlen(text) - HASH_SIZE] = '\0';
	for (const char *from = text; *from; from += size) {
		bool begins = to == text || to[-1] == ':';
		const char *meant = meant_by(from, &size);

		if (meant && strcmp(meant, "$") == 0) {
			meant = begins ? "" : NULL;
			size = 1;
		}
		if (meant)
			to = stpcpy(to, meant);
		else
			*to++ = *from;
	}
	*to = '\0';
}

/* -------------------------------------------------------------------------------------------- */

const char *demangle(const char *name, char *ret, size_t size)
{
	if (strncmp(name, "_R", 2) == 0)
		return strlen(name) <= DEMANGLE_NAME_MAX && rust_meaning(name, ret, size) ? ret
											  : name;
	if (size == 0 || strncmp(name, "_Z", 2) != 0 || !read_name(name, ret, size))
		return name;
	if (has_hash(ret))
		read_rust(ret);
	return ret;
}
