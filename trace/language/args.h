/* SPDX-License-Identifier: MIT */
/* Arguments of a probe: parses them, and fetches their values in a hit. */
#ifndef EMUPROBE_TRACE_LANGUAGE_ARGS_H
#define EMUPROBE_TRACE_LANGUAGE_ARGS_H

#include "trace/base/arena.h"
#include "trace/language/definition.h"
#include "trace/language/scanner.h"

/**
 * Parse the rest of a definition: {[NAME "="] FETCH [":" TYPE]}.
 *
 * @return   0, -EP_SYNTAX or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_args_parse(struct trace_scanner *scanner, struct trace_arena *arena,
		     struct trace_definition *definition);

/** @value as the type of @arg says: so much of it, widened to 64 bits. Context: TRAP_PATH. */
EP_TRAP_PATH uint64_t trace_arg_widen(const struct trace_arg *arg, uint64_t value);

/**
 * The value of an argument that is a register, widened to 64 bits as its type says.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH uint64_t trace_arg_fetch(const struct trace_arg *arg, const struct ep_regs *regs);

#endif
