/* SPDX-License-Identifier: MIT */
/*
 * Puts the definitions of options and files together; each column can be traced back to its source.
 */
#ifndef EMUPROBE_TRACE_LANGUAGE_SOURCE_H
#define EMUPROBE_TRACE_LANGUAGE_SOURCE_H

#include "trace/base/arena.h"
#include "trace/language/definition.h"

struct trace_source {
	struct trace_arena *arena;
	char *text; /* "@FILE" has been replaced by what stands in it */
	size_t size, room;
	struct trace_source_part *parts;
	size_t part_count, part_room;
	unsigned int depth;
};

/** @return 0 or -EP_NO_MEMORY. */
int trace_source_init(struct trace_source *source, struct trace_arena *arena);

/**
 * Append definitions; @name says where they are from, "-e" say.
 *
 * @return   0, -EP_NO_MEMORY, -EP_IO or -EP_SYNTAX (an "@FILE"), with @error filled.
 * Context:  any thread.
 */
int trace_source_add(struct trace_source *source, const char *text, const char *name,
		     struct ep_error_at *error);
int trace_source_add_file(struct trace_source *source, const char *path, struct ep_error_at *error);

/**
 * Describe @error for people, in lines of text, the last two being the definition and a caret:
 *
 *	probes.txt:3: no such register
 *	  p:x main a=%foo
 *	             ^
 *
 * @return   How many bytes of @ret were written; there is always a zero behind them.
 */
size_t trace_source_explain(const struct trace_source *source, const struct ep_error_at *error,
			    char *ret, size_t size);

#endif
