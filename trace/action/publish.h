/* SPDX-License-Identifier: MIT */
/* A process's probes as the reader of a session sees them. */
#ifndef EMUPROBE_TRACE_ACTION_PUBLISH_H
#define EMUPROBE_TRACE_ACTION_PUBLISH_H

#include "trace/action/attach.h"
#include "trace/session/session.h"

/**
 * Write what is known of @probes into the session and set the process's entry to RUNNING. Its
 * counts have been allocated before.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_publish(const struct trace_session *session, struct trace_process *process,
		  const struct trace_probes *probes);

/**
 * Copy a process's views out of the session, believing nothing.
 *
 * @return   0, -EP_INVALID (nonsense) or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_publish_read(const struct trace_session *session, const struct trace_process *process,
		       struct trace_arena *arena, struct trace_view **ret, uint32_t *ret_count);

#endif
