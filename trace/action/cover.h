/* SPDX-License-Identifier: MIT */
/* Has what the session asks of files watched in this process. */
#ifndef EMUPROBE_TRACE_ACTION_COVER_H
#define EMUPROBE_TRACE_ACTION_COVER_H

#include "trace/base/arena.h"
#include "trace/session/session.h"

/**
 * @return   0, or what ep_cover() says, or -EP_INVALID: the session makes no sense.
 * Context:  once, when all else of the engine has been started.
 */
int trace_cover_watch(const struct trace_session *session, struct trace_arena *arena);

#endif
