/* SPDX-License-Identifier: MIT */
/* A program that is being made, for fetch.c, filter.c and args.c alone. */
#ifndef EMUPROBE_TRACE_LANGUAGE_BUILDER_H
#define EMUPROBE_TRACE_LANGUAGE_BUILDER_H

#include "trace/base/arena.h"
#include "trace/language/definition.h"
#include "trace/language/scanner.h"

/* The steps of one value, which stand together. */
struct trace_chain {
	uint32_t first, count;
	struct trace_type type;
	bool is_bulk;
	bool may_fault, needs_return;
	bool is_hidden;	   /* not recorded */
	bool is_of_filter; /* needed before anything is decided */
	uint8_t value;	   /* its number in the end */
};

struct trace_builder {
	struct trace_scanner *scanner;
	struct trace_arena *arena;
	struct trace_definition *definition;
	struct trace_step *steps; /* .to and .from of values: which chain */
	uint32_t count, room;
	struct trace_chain chains[TRACE_VALUES_MAX];
	uint32_t chain_count;
	struct trace_keep kept[TRACE_KEPT_MAX];
	uint32_t kept_count;
	struct trace_link *links;
	uint32_t text; /* bytes that the values may take when they are printed */
	bool is_timed;
};

/** @return 0, -EP_NO_MEMORY, or -EP_SYNTAX: they are too many. */
int trace_builder_add(struct trace_builder *builder, struct trace_step step);

/** Begin the steps of a value. @return 0 or -EP_SYNTAX: there are too many. */
int trace_builder_begin(struct trace_builder *builder, const char *at);
static inline struct trace_chain *trace_builder_chain(struct trace_builder *builder)
{
	return &builder->chains[builder->chain_count - 1];
}

/** The value has all its steps. */
void trace_builder_end(struct trace_builder *builder);

/**
 * The program: what the filter looks at, the filter, the rest.
 *
 * @filter   Its steps, @filter_count of them; they go on behind the last one where there is an event.
 *
 * @return   0, -EP_NO_MEMORY, or -EP_SYNTAX: the record would be too long.
 */
int trace_builder_finish(struct trace_builder *builder, const struct trace_step *filter,
			 uint32_t filter_count);

#endif
