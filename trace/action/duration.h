/* SPDX-License-Identifier: MIT */
/* The handlers of every probe that measures how long calls take. */
#ifndef EMUPROBE_TRACE_ACTION_DURATION_H
#define EMUPROBE_TRACE_ACTION_DURATION_H

#include "trace/action/record.h"

/**
 * Measure into the session of trace_record_init(), one call in session.shared->sample for each thread
 * and probe.
 * Context:  once, behind that, before the first hit.
 */
void trace_duration_init(const struct trace_session *session);

/**
 * A call begins, and ends: ep_call_handlers, with a struct trace_probe as cookie. What it took from the
 * one to the other is added to the calling thread's histogram, but where the thread has left it by a
 * jump: then nobody knows when. What began before a fork is the parent's.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void trace_duration_entered(struct ep_probe *probe, struct ep_regs *regs,
					 struct ep_call *call, void *cookie);
EP_TRAP_PATH void trace_duration_ended(struct ep_probe *probe, struct ep_regs *regs,
				       struct ep_call *call, void *cookie);

#endif
