/* SPDX-License-Identifier: MIT */
/* FETCH [":" TYPE]: where a value comes from, and as what. */
#ifndef EMUPROBE_TRACE_LANGUAGE_FETCH_H
#define EMUPROBE_TRACE_LANGUAGE_FETCH_H

#include "trace/language/builder.h"

/**
 * Parse what to fetch, and add its steps as a value of its own, unless the reader has it in any case.
 *
 * @at_hit   A filter looks at it: it must be had at the hit.
 * @ret      Its type and origin; .value is the chain.
 *
 * @return   0, -EP_SYNTAX or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_fetch_parse(struct trace_builder *builder, struct trace_span span, bool at_hit,
		      struct trace_arg *ret);

/** Does @c begin what is fetched, rather than a name or number? */
bool trace_fetch_begins(char c);

#endif
