/* SPDX-License-Identifier: MIT */
/* Probe definitions: text to structures. Nothing is looked up here. */
#ifndef EMUPROBE_TRACE_LANGUAGE_PARSE_H
#define EMUPROBE_TRACE_LANGUAGE_PARSE_H

#include "trace/base/arena.h"
#include "trace/language/definition.h"

/**
 * Parse a list of definitions in which every "@FILE" has been replaced (see source.h).
 *
 * @return   0, -EP_SYNTAX with @error filled, or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_definitions_parse(const char *text, struct trace_arena *arena,
			    struct trace_definitions *ret, struct ep_error_at *error);

/**
 * The same, and if @is_timed, each definition of calls has $latency among its arguments: as the last one,
 * without a name (""), where it was not asked for. Where there are TRACE_ARGS_MAX others there is none.
 */
int trace_definitions_parse_timed(const char *text, bool is_timed, struct trace_arena *arena,
				  struct trace_definitions *ret, struct ep_error_at *error);

#endif
