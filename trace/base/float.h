/* SPDX-License-Identifier: MIT */
/* Floating-point numbers as text, from their bits. */
#ifndef EMUPROBE_TRACE_BASE_FLOAT_H
#define EMUPROBE_TRACE_BASE_FLOAT_H

#include <stdbool.h>

#include "trace/base/text.h"

#define TRACE_FLOAT_MAX 32 /* bytes that it takes */

/** Is it infinite, or no number? Context: TRAP_PATH. */
EP_TRAP_PATH bool trace_float_is_special(uint64_t bits, bool is_short);

/**
 * Append it as printf("%.15g"), and of a short one (a float) as "%.7g", would: "nan" and "inf" too.
 * Context:  TRAP_PATH; 1.5 KiB of stack.
 */
EP_TRAP_PATH void trace_float_text(struct trace_text *text, uint64_t bits, bool is_short);

#endif
