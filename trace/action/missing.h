/* SPDX-License-Identifier: MIT */
/* What to say of a place that is not there: what else there is that may have been meant. */
#ifndef EMUPROBE_TRACE_ACTION_MISSING_H
#define EMUPROBE_TRACE_ACTION_MISSING_H

#include "trace/language/definition.h"

/**
 * Fill @ret, which may be NULL, for a definition whose place ep_resolve() did not find.
 *
 * @error    What it returned.
 * @return   @error.
 * Context:  any thread; a look at each name of each object that is loaded, up to some millions.
 */
int trace_missing_explain(const struct trace_definition *definition, int error,
			  struct ep_error_at *ret);

/** What the kernel's tracing says of the same: " [WORD]", or "". Context: any thread. */
const char *trace_kernel_word(int error);

#endif
