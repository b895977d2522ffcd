/* SPDX-License-Identifier: MIT */
/* The basic blocks of an object's functions. */
#ifndef EMUPROBE_PROBE_IMAGE_BLOCKS_H
#define EMUPROBE_PROBE_IMAGE_BLOCKS_H

#include <stdbool.h>

#include "probe/image/object.h"

struct blocks;

/**
 * Find the basic blocks of @object, which is laid out in memory that can be read directly (image.h).
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  engine lock held. Some 100 ns for each instruction.
 */
int blocks_find(struct objects_object *object, struct blocks **ret);
void blocks_free(struct blocks *blocks);

struct block {
	uint64_t start, end;
	bool is_entry;			   /* a function begins here */
	const struct objects_function *of; /* the function; one with a name, if there is one */
};

/**
 * The next block above @address, in the order of addresses; the first one above 0.
 *
 * @return   false: there is none.
 */
bool blocks_next(const struct blocks *blocks, uint64_t address, struct block *ret);

/** Bytes of functions, and those of them of which nobody knows what leads there. */
void blocks_sizes(const struct blocks *blocks, uint64_t *ret_bytes, uint64_t *ret_unknown);

#endif
