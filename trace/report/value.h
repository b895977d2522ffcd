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

/* A value for writers that have types of their own. */
struct trace_value {
	enum {
		TRACE_VALUE_NONE, /* it is absent, or could not be read at all */
		TRACE_VALUE_UNSIGNED,
		TRACE_VALUE_SIGNED,
		TRACE_VALUE_HEX,
		TRACE_VALUE_DOUBLE, /* .number has its bits */
		TRACE_VALUE_TEXT
	} kind;
	uint64_t number;
	const char
		*text; /* any bytes; of a string they are as in the program, all else is printed */
};

/**
 * The same, not printed if it need not be.
 *
 * @room     For .text, its end included; it is cut there. At least TRACE_BYTES_MAX + 1 bytes.
 */
enum trace_value_state trace_value_take(const struct trace_event *event, uint32_t arg,
					const uint64_t **bulks, struct trace_text *room,
					struct trace_value *ret);

/** Which of the kinds of struct trace_value an argument has, wherever it has a value. */
int trace_value_kind(const struct trace_arg *arg);

#endif
