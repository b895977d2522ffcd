/* SPDX-License-Identifier: MIT */
/* Coverage: which functions and basic blocks of which files were reached. */
#ifndef EMUPROBE_CLI_COVER_H
#define EMUPROBE_CLI_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/cover_kinds.h"

struct cover_block {
	uint32_t offset, size;	/* in the file */
	uint32_t from_function; /* bytes */
	uint32_t name;		/* of the function: where it begins in the object's names */
	uint8_t byte;		/* what it begins with; of a list that was read it is not known */
	bool is_entry;
};

struct cover_object {
	char *name, *path;
	uint64_t device, inode;
	uint64_t hash; /* of the file's bytes */
	struct cover_block *blocks;
	uint8_t *hits; /* one for each of them */
	size_t count, room;
	char *names;
	size_t names_size, names_room;
	uint64_t bytes, unknown; /* of functions; no road is known to that */
};

struct cover {
	enum cover_level level;
	struct cover_object *objects;
	size_t count;
	uint64_t session_at; /* where it is in the session */
};

/**
 * Find what can be reached, in the program and in what @globs mean: of the libraries that it needs, or,
 * with a slash, of all files.
 *
 * @return   0 or the exit status, after a message.
 */
int cover_find(const char *program, char *const *globs, size_t glob_count, enum cover_level level,
	       struct cover *ret);

/** What the session has to have of it; then, what has come of that. */
size_t cover_session_size(const struct cover *cover);
void cover_put_session(const struct cover *cover, void *to);
void cover_take_session(struct cover *cover, const void *from, uint64_t *ret_unarmed);

/** A line for each object on standard error. */
void cover_say(const struct cover *cover, uint64_t unarmed);

/* ---- for those that fill it ---- */

/** Add an object with copies of its names. NULL: there is no memory. */
struct cover_object *cover_add_object(struct cover *cover, const char *name, const char *path);

/** The next block of an object; @name: of its function. @return 0 or -EP_NO_MEMORY. */
int cover_add_block(struct cover_object *object, const struct cover_block *block, const char *name);

/* ---- cover_file.c ---- */

/**
 * Read a list that cover_write() has written, into @cover, which has objects already or none: hits are
 * added up.
 *
 * @is_own   Only what @cover has, and of the same files: anything else is an error.
 *
 * @return   0 or the exit status, after a message.
 */
int cover_read(const char *path, bool is_own, struct cover *cover);

/** Write it to @path; "-": standard output. @return 0 or the exit status, after a message. */
int cover_write(const struct cover *cover, enum cover_format format, const char *path);

/** emuprobe cover-merge [--format=FORMAT] [-o FILE] LIST...: @return the exit status. */
int cover_merge(int argc, char **argv);

/* ---- cover_report.c ---- */

/** By source lines; objects without debug information are left out, and said. */
void cover_write_lines(const struct cover *cover, enum cover_format format, FILE *to);

#endif
