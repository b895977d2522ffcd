/* SPDX-License-Identifier: MIT */
/* Texts that have numbers: the same text has the same one. */
#ifndef EMUPROBE_CLI_FORMAT_NAMES_H
#define EMUPROBE_CLI_FORMAT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/base/arena.h"

#define NAMES_CACHE 1024u /* a power of two */

struct names {
	struct trace_arena arena;
	const char **texts; /* by number - 1 */
	uint32_t count, room;
	uint32_t *slots; /* numbers; 0: free */
	uint32_t slot_count;
	struct {
		const char *text;
		uint32_t number;
	} cache[NAMES_CACHE]; /* by where a text is */
};

/**
 * The number of @size bytes at @text, from 1 on; 0: there is no memory for a new one.
 *
 * @ret_is_new  NULL, or whether it has just got it.
 */
uint32_t names_number(struct names *names, const char *text, size_t size, bool *ret_is_new);

/**
 * The same of a text that ends with a zero, stays where it is, and never changes: names of probes do. Fast,
 * if it was asked for before.
 */
uint32_t names_number_of(struct names *names, const char *text, bool *ret_is_new);

/** The text, with a zero behind it. */
static inline const char *names_text(const struct names *names, uint32_t number)
{
	return names->texts[number - 1];
}

void names_deinit(struct names *names);

#endif
