/* SPDX-License-Identifier: MIT */
/* Definitions as they mean the same to everybody: each a line, with a file's path and an offset. */
#ifndef EMUPROBE_TRACE_ACTION_CANONICAL_H
#define EMUPROBE_TRACE_ACTION_CANONICAL_H

#include "trace/action/attach.h"

/**
 * Replace the place of each of @probes by its definition, "p:uprobes/malloc /lib/libc.so.6:0x9e3e0
 * size=%di". Nothing else is known of where they stand then.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  any thread; behind trace_attach_resolve().
 */
int trace_canonical_make(const struct trace_definitions *definitions, struct trace_probes *probes,
			 struct trace_arena *arena);

#endif
