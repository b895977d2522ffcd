/* SPDX-License-Identifier: MIT */
/* One argument of an event as text. */
#ifndef EMUPROBE_TRACE_REPORT_VALUE_H
#define EMUPROBE_TRACE_REPORT_VALUE_H

#include "trace/report/event.h"

/* What became of it. */
enum trace_value_state {
	TRACE_VALUE_WHOLE,
	TRACE_VALUE_CUT,    /* there is more of it */
	TRACE_VALUE_FAULTY, /* it could not be read, or not to its end */
	TRACE_VALUE_ABSENT, /* nothing returned, so there is none */
};

/**
 * Append argument @arg of the view.
 *
 * @bulks    What is copied, from this argument on; goes on behind it.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH enum trace_value_state trace_value_text(struct trace_text *text,
						     const struct trace_event *event, uint32_t arg,
						     const uint64_t **bulks);

/** The same for JSON: a number, a text, an array, or null. */
EP_TRAP_PATH enum trace_value_state trace_value_json(struct trace_text *text,
						     const struct trace_event *event, uint32_t arg,
						     const uint64_t **bulks);

#endif
