/* SPDX-License-Identifier: MIT */
/*
 * The names that there are, for what is built on the engine in this repository: to say what a user may
 * have meant. Not installed, and no promise to anybody.
 */
#ifndef EMUPROBE_INCLUDE_NAMING_H
#define EMUPROBE_INCLUDE_NAMING_H

#include <stdbool.h>

#include "include/emuprobe.h"

struct ep_name {
	const char *object;  /* soname or basename */
	const char *symbol;  /* of a function; NULL: the object itself is visited */
	const char *version; /* of the symbol, NULL: none */
	bool is_default;     /* it is what others mean who name no version */
	bool is_executable;
	bool is_meant; /* the object is one that the place means */
};

/**
 * Call @visit for each object that is loaded, and behind each one for all of its functions that have a
 * name: several times for one that has several. Stops when @visit returns other than 0.
 *
 * @place    Says which objects are meant; its symbol is not looked at.
 *
 * @return   What @visit returned last, -EP_NO_MEMORY, -EP_IO or -EP_IN_HANDLER.
 * Context:  as ep_resolve().
 */
int ep_each_name(const struct ep_place *place, int (*visit)(const struct ep_name *name, void *data),
		 void *data);

/**
 * The file that @addr was loaded from, "" where there is none, and where it is in there.
 *
 * @return   false: it lies in no object, or was not in the file.
 * Context:  as ep_resolve().
 */
bool ep_locate(const void *addr, char *ret_path, size_t size, uint64_t *ret_offset);

/** Does @name match a pattern as places have them? Context: any; lengths multiplied, at most. */
bool ep_name_matches(const char *pattern, const char *name);

#endif
