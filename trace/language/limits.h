/* SPDX-License-Identifier: MIT */
/* Which hits of an event are wanted: the first ones, one in so many, those of one thread, later ones. */
#ifndef EMUPROBE_TRACE_LANGUAGE_LIMITS_H
#define EMUPROBE_TRACE_LANGUAGE_LIMITS_H

#include "trace/base/arena.h"
#include "trace/language/definition.h"

/* Of one definition; zeroed memory is no limit. */
struct trace_limits {
	uint64_t first;	 /* so many; 0: all */
	uint64_t every;	 /* one in so many; 0: each */
	int32_t tid;	 /* of this thread; 0: of any */
	uint32_t after;	 /* number of the definition that must have been hit before; 0: none */
	bool is_awaited; /* by another one */
	bool any;	 /* there is one, or of time */
};

/**
 * Parse limits, one a line: "first [EVENT:]N", "every [EVENT:]N", "tid [EVENT:]N", "after [EVENT:]EVENT", or
 * "for N", which the launcher sees to.
 * Without an EVENT they hold for all definitions. An event is a definition's EVENT; where it has none, its
 * symbol. Other lines are passed over.
 *
 * @ret      One for each definition; NULL: there are no limits.
 * @error    Its message is of the line that is wrong, which begins at its column.
 *
 * @return   0, -EP_SYNTAX with @error filled, or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_limits_parse(const char *text, const struct trace_definitions *definitions,
		       struct trace_arena *arena, struct trace_limits **ret,
		       struct ep_error_at *error);

#endif
