/* SPDX-License-Identifier: MIT */
/* Strings and arrays of the program's memory, written into a ring. */
#ifndef EMUPROBE_TRACE_ACTION_COPY_H
#define EMUPROBE_TRACE_ACTION_COPY_H

#include <stdatomic.h>

#include "trace/language/program.h"

/* A ring's data, and where the next word goes. */
struct trace_copy {
	_Atomic uint64_t *data;
	uint64_t mask; /* words of the ring, less one */
	uint64_t at;   /* in words */
};

/**
 * Append what @bulk says of @address: for each of its texts, and for what is no text once, a word
 * (trace_bulk_word()) and as many words as it has bytes for.
 *
 * @is_faulty  There is no address.
 *
 * Context:  TRAP_PATH; at most the words that trace_program.bulk_words accounts for.
 */
EP_TRAP_PATH void trace_copy_bulk(struct trace_copy *copy, const struct trace_bulk *bulk,
				  uint64_t address, bool is_faulty);

#endif
