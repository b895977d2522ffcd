/* SPDX-License-Identifier: MIT */
/* What is said of a probe: by the process that has it, and by the reader of its events. */
#ifndef EMUPROBE_TRACE_SESSION_VIEW_H
#define EMUPROBE_TRACE_SESSION_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "trace/language/definition.h"

#define TRACE_NO_COUNTER UINT32_MAX

struct trace_view {
	const char *group, *event;
	const char *place; /* "libc.so.6:malloc+0x4" */
	const char *insn;  /* disassembled; "" where it could not be */
	const char *note;  /* what to know of the name that was asked for; NULL: nothing */
	const struct trace_arg *args;
	uint32_t arg_count;
	const struct trace_program *program; /* of the definition, likewise */
	bool is_return;			     /* of calls: its events are their ends */
	uint32_t definition;		     /* which one of the list */
	int reason;			     /* an EP_ code: why no better plan; 0: none */
	enum ep_plan plan;
	uint32_t ways_out;	 /* of calls that probes on so many instructions end; 0: stubs do */
	uint32_t counter;	 /* in the blocks of threads; TRACE_NO_COUNTER: it has none */
	uint32_t return_counter; /* likewise, of calls that have returned */
};

/** What all probes of a definition have in common. Context: any. */
static inline struct trace_view trace_view_of(const struct trace_definition *definition)
{
	return (struct trace_view){
		.group = definition->group,
		.insn = "",
		.args = definition->args,
		.arg_count = definition->arg_count,
		.program = &definition->program,
		.is_return = definition->is_return,
	};
}

/** Of its arguments those that have a name: the last one may be there for its writer alone. */
EP_TRAP_PATH static inline uint32_t trace_view_shown(const struct trace_view *view)
{
	uint32_t count = view->arg_count;

	return count && !view->args[count - 1].name[0] ? count - 1 : count;
}

enum trace_format {
	TRACE_FORMAT_TEXT,
	TRACE_FORMAT_JSON,
	TRACE_FORMAT_FOLDED, /* stacks with a number: for flame graphs */
	TRACE_FORMAT_PERFETTO,
	TRACE_FORMAT_CHROME,
	TRACE_FORMAT_CTF,
	TRACE_FORMAT_CALLGRIND,
};

#endif
