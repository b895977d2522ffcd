/* SPDX-License-Identifier: MIT */
/* The handlers of every probe of which something is asked: values become answers. */
#ifndef EMUPROBE_TRACE_ACTION_ANSWER_H
#define EMUPROBE_TRACE_ACTION_ANSWER_H

#include "trace/action/record.h"
#include "trace/session/answers.h"

/**
 * Answer into the session of trace_record_init().
 *
 * @list     What is asked of each definition; stays in use. NULL: nothing.
 * Context:  once, behind that, before the first hit.
 */
void trace_answer_init(const struct trace_session *session, const struct trace_answers *list);

/**
 * Add a hit to each of @answers, which are of one definition.
 *
 * @values   Of its fields. The number of a field that is a time is a count of the session's clock.
 * Context:  TRAP_PATH; behind trace_answer_init().
 */
EP_TRAP_PATH void trace_answers_add(const struct trace_answer *answers, uint32_t count,
				    const struct trace_field_value *values);

/**
 * A hit, and a call: an ep_handler and ep_call_handlers, with a struct trace_probe as cookie. Where it is
 * wanted (limits.h), and events are recorded, this one is, too; where they are not, and nothing is asked of a
 * call, it is measured. Behind trace_limits_init().
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void trace_answer_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie);
EP_TRAP_PATH void trace_answer_entered(struct ep_probe *probe, struct ep_regs *regs,
				       struct ep_call *call, void *cookie);
EP_TRAP_PATH void trace_answer_ended(struct ep_probe *probe, struct ep_regs *regs,
				     struct ep_call *call, void *cookie);

#endif
