/* SPDX-License-Identifier: MIT */
/* --counter: fields that are shown as a curve. */
#ifndef EMUPROBE_CLI_FORMAT_COUNTERS_H
#define EMUPROBE_CLI_FORMAT_COUNTERS_H

#include <stdbool.h>
#include <string.h>

#include "trace/report/value.h"

#define COUNTERS_MAX 64

/* Of an event of that name, the field. */
struct counter {
	const char *event, *field;
};

struct counters {
	struct counter list[COUNTERS_MAX];
	size_t count;
};

/* Is this argument one? It has to be a number as well. */
static inline bool counters_have(const struct counters *counters, const struct trace_view *view,
				 const struct trace_arg *arg)
{
	for (size_t i = 0; i < counters->count; i++)
		if (strcmp(counters->list[i].field, arg->name) == 0 &&
		    strcmp(counters->list[i].event, view->event) == 0)
			return trace_value_kind(arg) != TRACE_VALUE_TEXT;
	return false;
}

#endif
