/* SPDX-License-Identifier: MIT */
/*
 * zstd is another program, not a library: it runs beside us on another processor, the probed program waits for
 * us no longer than without it, and whoever does not compress need not have it. It gets the file from us,
 * and a process group of its own: what is typed at the terminal does not end it before it has got all.
 */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/program.h"

static const char suffix[] = ".zst";

static bool is_compressed(const char *path)
{
	size_t length = strlen(path);

	return length >= sizeof(suffix) && strcmp(path + length - strlen(suffix), suffix) == 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

_Noreturn static void become_compressor(const struct output *output, int from, int to)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	dup2(from, STDIN_FILENO);
	dup2(to, STDOUT_FILENO);
	execl(output->zstd, "zstd", "-q", "-c", (char *)NULL);
	_exit(EXIT_CANNOT_EXECUTE);
}

/* @file becomes the compressor's. */
static int start_compressor(struct output *output, int file)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC)) {
		close(file);
		return errno;
	}
	output->compressor = fork();
	if (output->compressor == 0)
		become_compressor(output, ends[0], file);
	close(ends[0]);
	close(file);
	output->fd = ends[1];
	return output->compressor < 0 ? errno : 0;
}

static int open_file(struct output *output)
{
	int file = open(output->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);

	if (file < 0)
		return errno;
	output->written = 0;
	if (output->zstd[0])
		return start_compressor(output, file);
	output->fd = file;
	return 0;
}

int output_open(struct output *output, const char *path, int fd, const char *name)
{
	int error = 0;

	output->fd = fd;
	output->name = name;
	if (!path)
		return 0;
	if (strcmp(path, "-") == 0) {
		output->name = "standard output";
		output->fd = STDOUT_FILENO;
		return 0;
	}
	output->name = path;
	output->path = path;
	if (is_compressed(path)) {
		error = program_find("zstd", output->zstd, sizeof(output->zstd));
		if (error)
			return EXIT_OURS;
	}
	error = open_file(output);
	if (error)
		complain("%s: %s", path, strerror(error));
	return error ? EXIT_OURS : 0;
}

static void wait_for(const struct output *output, pid_t compressor)
{
	int status = 0;

	if (!compressor)
		return;
	while (waitpid(compressor, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		complain("%s: zstd failed", output->name);
}

/* Threads of the program may wait for us: so a compressor has the time of one more file for its rest. */
static void close_file(struct output *output)
{
	close(output->fd);
	output->fd = -1;
	wait_for(output, output->earlier);
	output->earlier = output->compressor;
	output->compressor = 0;
}

void output_close(struct output *output)
{
	if (!output->path || output->fd < 0)
		return;
	close_file(output);
	wait_for(output, output->earlier);
	output->earlier = 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int give_up(struct output *output, int error)
{
	if (error != EPIPE && !output->is_broken)
		complain("%s: %s; no more is written", output->name, strerror(error));
	output->is_broken = true;
	return -EP_IO;
}

static int write_all(struct output *output, const char *text, size_t size)
{
	if (size)
		output->is_in_line = text[size - 1] != '\n';
	while (size) {
		ssize_t written = write(output->fd, text, size);

		if (written < 0 && errno == EAGAIN) {
			struct pollfd poll_output = {.fd = output->fd, .events = POLLOUT};

			poll(&poll_output, 1, -1);
		} else if (written < 0 && errno != EINTR) {
			return give_up(output, errno);
		} else if (written > 0) {
			text += written;
			size -= (size_t)written;
			output->written += (uint64_t)written;
		}
	}
	return 0;
}

/* "log.7", "log.7.zst"; the current one is number 0. */
static void path_of(const struct output *output, uint32_t number, char *ret, size_t size)
{
	size_t length = strlen(output->path) - (output->zstd[0] ? strlen(suffix) : 0);

	if (number)
		snprintf(ret, size, "%.*s.%u%s", (int)length, output->path, number,
			 output->path + length);
	else
		snprintf(ret, size, "%s", output->path);
}

static int rotate(struct output *output)
{
	char from[PATH_MAX + 16], to[PATH_MAX + 16];
	int error;

	close_file(output);
	for (uint32_t i = output->kept; i-- > 0;) {
		path_of(output, i, from, sizeof(from));
		path_of(output, i + 1, to, sizeof(to));
		if (rename(from, to) && errno != ENOENT)
			return give_up(output, errno);
	}
	error = open_file(output);
	return error ? give_up(output, error) : 0;
}

/* How much of it goes to this file: whole lines, and one at least where the file is empty. */
static size_t part_of(const struct output *output, const char *text, size_t size)
{
	uint64_t room = output->most > output->written ? output->most - output->written : 0;
	const char *newline;

	if (size <= room)
		return size;
	newline = output->is_in_line ? NULL : memrchr(text, '\n', room);
	if (!newline && (output->is_in_line || !output->written))
		newline = memchr(text, '\n', size);
	if (!newline && (output->is_in_line || !output->written))
		return size;
	return newline ? (size_t)(newline - text) + 1 : 0;
}

int output_write(struct output *output, const char *text, size_t size)
{
	int error = output->is_broken ? -EP_IO : 0;

	while (size && !error) {
		size_t part = output->most && output->path ? part_of(output, text, size) : size;

		error = write_all(output, text, part);
		text += part;
		size -= part;
		if (size && !error)
			error = rotate(output);
	}
	return error;
}
