/* SPDX-License-Identifier: MIT */
/* The handlers of probes whose call stacks are counted: that first, and then what else is to be done. */
#ifndef EMUPROBE_TRACE_ACTION_STACK_H
#define EMUPROBE_TRACE_ACTION_STACK_H

#include "trace/action/record.h"

/** Context: once, after trace_record_init(). */
void trace_stack_init(const struct trace_session *session);

/**
 * How deep the stacks of @event are wanted; 0: they are not.
 * Context: after trace_stack_init().
 */
uint32_t trace_stack_depth(const char *event);

/* What else is done with a hit. */
enum trace_stack_then {
	TRACE_STACK_COUNT,   /* nothing: it is only counted */
	TRACE_STACK_MEASURE, /* of calls: how long they take is measured */
	TRACE_STACK_RECORD,
	TRACE_STACK_ANSWER,
};

/** An ep_handler; goes on as trace_probe.behind_stack says. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_stack_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie);

/** At the entry of a call: an ep_call_handler, likewise. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_stack_entered(struct ep_probe *probe, struct ep_regs *regs,
				      struct ep_call *call, void *cookie);

#endif
