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
		  struct trace_probes *probes);

/**
 * The same, behind trace_publish(), of those that are new, or not as they were published: it costs
 * memory for these alone.
 */
int trace_publish_changes(const struct trace_session *session, struct trace_process *process,
			  struct trace_probes *probes);

/* What has been read of a process. */
struct trace_published {
	const struct trace_definitions
		*definitions; /* the session's, as the reader has read them */
	struct trace_view *views;
	uint32_t count, room;
	uint64_t set, changes; /* up to here; 0: nothing yet */
	bool is_shared;	       /* the views are another's, too */
};

/**
 * Copy a process's views out of the session, believing nothing: what has been published since @ret was
 * read, all of it if @ret is zero but for .definitions.
 *
 * @ret      Unchanged where there is an error, or as after some of the changes.
 *
 * @return   0, -EP_INVALID (nonsense) or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_publish_read(const struct trace_session *session, const struct trace_process *process,
		       struct trace_arena *arena, struct trace_published *ret);

#endif
