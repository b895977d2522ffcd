/* SPDX-License-Identifier: MIT */
/* The file that events are written to: a new one from time to time if asked for, compressed by its name. */
#ifndef EMUPROBE_CLI_OUTPUT_H
#define EMUPROBE_CLI_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct output {
	int fd;
	const char *name; /* for messages */
	const char *path; /* NULL: it is not ours */
	uint64_t most;	  /* bytes of a file, before they are compressed; 0: any number */
	uint32_t kept;	  /* older files that stay */
	uint64_t written; /* to this file */
	bool is_in_line;  /* the last byte was no newline */
	bool is_broken;	  /* nobody reads, or nothing can be written, any more */
	pid_t compressor; /* 0: none */
	pid_t earlier;	  /* of the file before; 0: none */
	char zstd[PATH_MAX];
};

/**
 * Open @path, or take what is open. What ends in ".zst" is compressed by zstd(1), which gets it through a pipe.
 *
 * @path     "-" is standard output; NULL: @fd, which is called @name.
 * @return   0 or the exit status, after a message.
 */
int output_open(struct output *output, const char *path, int fd, const char *name);

/**
 * Write all of it. Where files are limited, one ends behind a newline, and its lines are moved: from FILE to
 * FILE.1, from there to FILE.2, ... (FILE.1.zst of FILE.zst).
 *
 * @return   0 or -EP_IO, now and for ever: the first time after a message, unless nobody reads any more.
 */
int output_write(struct output *output, const char *text, size_t size);

/** Wait until all is written. */
void output_close(struct output *output);

#endif
