/* SPDX-License-Identifier: MIT */
/* What was asked of events, added up over all processes. */
#ifndef EMUPROBE_CLI_ANSWERS_H
#define EMUPROBE_CLI_ANSWERS_H

#include "cli/options.h"
#include "trace/report/line.h"
#include "trace/session/session.h"

/** Write what there is by now; nothing where nothing was asked. */
void answers_put(const struct options *options, const struct trace_session *session,
		 const struct trace_sink *sink);

#endif
