/* SPDX-License-Identifier: MIT */
/* Source lines of machine code, out of a file's debug information. */
#ifndef EMUPROBE_CLI_LINES_H
#define EMUPROBE_CLI_LINES_H

#include <stdint.h>

/*
 * Code from @start to @end, offsets in the file, is of this line. A function that begins there does so at
 * line @first: where it opens, before what its first instruction does.
 */
struct lines_row {
	uint64_t start, end;
	const char *file;
	unsigned int line, first;
};

enum lines_outcome {
	LINES_THERE,
	LINES_NONE,	  /* the file has no debug information, and no other file has it */
	LINES_NO_LIBRARY, /* libdw is not installed, or was not when this was built */
};

/** Call @visit for each row of the file's table of lines. */
enum lines_outcome lines_each(const char *path,
			      void (*visit)(const struct lines_row *row, void *data), void *data);

#endif
