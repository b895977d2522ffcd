/* SPDX-License-Identifier: MIT */
/* The functions of an object by their names. */
#ifndef EMUPROBE_PROBE_IMAGE_NAMES_H
#define EMUPROBE_PROBE_IMAGE_NAMES_H

#include "probe/image/object.h"

/* One look-up of a name in an object. */
struct names_walk {
	const struct objects_object *object;
	const char *name;
	size_t size;   /* of the name */
	size_t at;     /* the next one to be looked at */
	char behind;   /* the name, in those that are sought just now */
	size_t looked; /* names that were looked at so far: what the walk has cost */
};

/**
 * Begin to look for functions that are called @name, or @name and something behind a dot: variants and
 * parts that a compiler made of it.
 *
 * @object   Its functions have been read.
 * Context:  engine lock held. A look at each name of the object for the first few dozens of look-ups
 *           in it; then all are sorted, and the rest costs the logarithm of their number.
 */
void names_begin(struct names_walk *walk, struct objects_object *object, const char *name);

/** The next one, NULL: there are no more. Those of one name come in the order of their addresses. */
const struct objects_function *names_next(struct names_walk *walk);

#endif
