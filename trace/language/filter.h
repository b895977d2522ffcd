/* SPDX-License-Identifier: MIT */
/* "if" EXPRESSION: which hits make an event. */
#ifndef EMUPROBE_TRACE_LANGUAGE_FILTER_H
#define EMUPROBE_TRACE_LANGUAGE_FILTER_H

#include "trace/language/builder.h"

/* What stands for an argument in the filter. */
struct trace_named {
	struct trace_span fetch; /* its FETCH [":" TYPE] */
	uint8_t chain;
	bool is_at_hit; /* the chain is what a filter needs */
};

struct trace_filter {
	struct trace_step *steps;
	uint32_t count;
};

/**
 * Parse the expression, adding what it needs to @builder.
 *
 * @named    One for each argument of the definition.
 *
 * @return   0, -EP_SYNTAX or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_filter_parse(struct trace_builder *builder, struct trace_span span,
		       const struct trace_named *named, struct trace_filter *ret);

#endif
