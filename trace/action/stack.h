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

/** ep_handlers: of what is only counted, and of what is recorded. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_stack_only(struct ep_probe *probe, struct ep_regs *regs, void *cookie);
EP_TRAP_PATH void trace_stack_record(struct ep_probe *probe, struct ep_regs *regs, void *cookie);

/** At the entry of a call: likewise. ep_call_handlers. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_stack_measure_entered(struct ep_probe *probe, struct ep_regs *regs,
					      struct ep_call *call, void *cookie);
EP_TRAP_PATH void trace_stack_record_entered(struct ep_probe *probe, struct ep_regs *regs,
					     struct ep_call *call, void *cookie);

#endif
