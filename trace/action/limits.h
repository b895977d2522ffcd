/* SPDX-License-Identifier: MIT */
/* Which hits are wanted; the others are only counted, until none is wanted any more. */
#ifndef EMUPROBE_TRACE_ACTION_LIMITS_H
#define EMUPROBE_TRACE_ACTION_LIMITS_H

#include "trace/action/record.h"
#include "trace/language/limits.h"

/* In the session, behind all texts: of one definition, for all processes. */
struct trace_limit_counts {
	_Atomic uint64_t taken;	 /* of .first */
	_Atomic uint64_t passed; /* of .every */
	_Atomic uint64_t begun;	 /* it was hit */
};

/**
 * @list     Of each definition, and @counts likewise; they stay in use. NULL: no limit but the time that
 *           the launcher says.
 * Context:  once, before the first hit.
 */
void trace_limits_init(const struct trace_session *session, const struct trace_limits *list,
		       struct trace_limit_counts *counts);

/**
 * Is this hit wanted? If none is any more, from now on, the probe is disabled.
 * Context:  TRAP_PATH; once for each hit, and for each call at its end.
 */
EP_TRAP_PATH bool trace_limits_pass(const struct trace_probe *probe);

#endif
