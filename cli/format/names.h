/* SPDX-License-Identifier: MIT */
/* Texts that have numbers: the same text has the same one. */
#ifndef EMUPROBE_CLI_FORMAT_NAMES_H
#define EMUPROBE_CLI_FORMAT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/base/arena.h"

struct names {
	struct trace_arena arena;
	const char **texts; /* by number - 1 */
	uint32_t count, room;
	uint32_t *slots; /* numbers; 0: free */
	uint32_t slot_count;
};

/**
 * The number of @size bytes at @text, from 1 on; 0: there is no memory for a new one.
 *
 * @ret_is_new  NULL, or whether it has just got it.
 */
uint32_t names_number(struct names *names, const char *text, size_t size, bool *ret_is_new);

/** The text, with a zero behind it. */
static inline const char *names_text(const struct names *names, uint32_t number)
{
	return names->texts[number - 1];
}

void names_deinit(struct names *names);

#endif
