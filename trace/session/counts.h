/* SPDX-License-Identifier: MIT */
/*
 * Where a process's hits are counted: threads' counters, in blocks of the session's heap, and one
 * struct ep_counts for each probe. A hit is in one of the two.
 */
#ifndef EMUPROBE_TRACE_SESSION_COUNTS_H
#define EMUPROBE_TRACE_SESSION_COUNTS_H

#include "trace/session/session.h"
#include "trace/session/view.h"

/**
 * From now on threads of this process count in blocks of @session's heap, on the list of @process.
 * What was counted before is forgotten.
 *
 * Context:  a process that has one thread, a forked child say. Calls nothing that counts.
 */
void trace_counts_use(const struct trace_session *session, struct trace_process *process);

/** Make all counters of @process zero, in memory that is no other process's. TRAP_PATH. */
EP_TRAP_PATH void trace_counts_clear(const struct trace_session *session,
				     const struct trace_process *process);

/**
 * Add up what @process has counted so far, believing nothing that stands in the session.
 *
 * @counts   Of the probes that @views describe; NULL: nothing was armed.
 * @ret      One for each of them.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void trace_counts_read(const struct trace_session *session,
				    const struct trace_process *process,
				    const struct ep_counts *counts, const struct trace_view *views,
				    uint32_t count, struct ep_counts *ret);

#endif
