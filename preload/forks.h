/* SPDX-License-Identifier: MIT */
/* Children of fork(). */
#ifndef EMUPROBE_PRELOAD_FORKS_H
#define EMUPROBE_PRELOAD_FORKS_H

#include "trace/action/attach.h"
#include "trace/session/session.h"

/**
 * Let each child of a fork start afresh; it counts what @probes hit in counters of its own, NULL:
 * in the same ones, which were copied with all the rest.
 */
void start_follow_forks(const struct trace_session *session, struct trace_probes *probes);

/** The same where threads have no counters in @session. */
void start_follow_forks_attached(const struct trace_session *session, struct trace_probes *probes);

/** Leave the session of the children that come alone. */
void start_unfollow_forks(void);

/** Memory of the session for what the first thread takes when it is hit. Behind the above. */
void start_make_room(void);

/** Publish what has changed in the probes of this process, parent or child. For struct trace_follow. */
void start_publish_changes(void *data);

/** Publish that @object has come or gone, for addresses in events. An ep_object_handler. */
void start_say_object(const struct ep_object *object, int loaded, void *data);

#endif
