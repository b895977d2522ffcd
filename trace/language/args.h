/* SPDX-License-Identifier: MIT */
/* What is recorded of a hit, and whether it is. */
#ifndef EMUPROBE_TRACE_LANGUAGE_ARGS_H
#define EMUPROBE_TRACE_LANGUAGE_ARGS_H

#include "trace/base/arena.h"
#include "trace/language/definition.h"
#include "trace/language/scanner.h"

/**
 * Parse the rest of a definition, {[NAME "="] FETCH [":" TYPE]} ["if" CONDITION], and make its program.
 *
 * @return   0, -EP_SYNTAX or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_args_parse(struct trace_scanner *scanner, struct trace_arena *arena,
		     struct trace_definition *definition);

#endif
