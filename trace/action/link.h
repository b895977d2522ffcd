/* SPDX-License-Identifier: MIT */
/* Addresses that definitions name: @SYMBOL, @+OFFSET. */
#ifndef EMUPROBE_TRACE_ACTION_LINK_H
#define EMUPROBE_TRACE_ACTION_LINK_H

#include "trace/language/definition.h"

/**
 * Look up what the program of @definition names: in the executable, in the object that is probed, then in
 * all that is loaded.
 *
 * @return   0, -EP_NO_SYMBOL or -EP_BAD_OFFSET with @error filled (if not NULL), or what ep_resolve() says.
 * Context:  any thread.
 */
int trace_link(const struct trace_definition *definition, struct ep_error_at *error);

/** Find where the executable's code is, for $from_program. Context: before anything is probed. */
void trace_link_program(void);

#endif
