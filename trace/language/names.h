/* SPDX-License-Identifier: MIT */
/* Event names for probes that were given none, or that share one. */
#ifndef EMUPROBE_TRACE_LANGUAGE_NAMES_H
#define EMUPROBE_TRACE_LANGUAGE_NAMES_H

#include "trace/base/arena.h"
#include "trace/language/definition.h"

struct trace_names {
	struct trace_arena *arena;
	struct trace_name *table; /* "group/event", hashed */
	size_t size, used;
};

/** Reserve the names that definitions give to a single probe. @return 0 or -EP_NO_MEMORY. */
int trace_names_init(struct trace_names *names, const struct trace_definitions *definitions,
		     struct trace_arena *arena);

/**
 * The event name of a match: EVENT as it was given for a single place, else a name that no other
 * event of the group has.
 *
 * @nth      Which match of the definition.
 * @return   NULL where there is no memory.
 */
const char *trace_names_make(struct trace_names *names, const struct trace_definition *definition,
			     const struct ep_match *match, size_t nth);

/**
 * "libc.so.6:malloc+0x4", "cat:0x1234"; "libc.so.6:memcpy@GLIBC_2.14" where a version was asked for; "cat:work (0x1234)" where several functions have that name.
 * NULL where there is no memory.
 */
const char *trace_names_place(struct trace_arena *arena, const struct ep_match *match);

/**
 * What to know of the name, if others share it or the compiler made variants; @ret NULL: nothing.
 *
 * @return   0 or -EP_NO_MEMORY.
 */
int trace_names_note(struct trace_arena *arena, const struct ep_match *match, const char **ret);

#endif
