/* SPDX-License-Identifier: MIT */
/* One line on standard error. */
#ifndef EMUPROBE_PRELOAD_SAY_H
#define EMUPROBE_PRELOAD_SAY_H

#include "trace/action/attach.h"

/** One line on standard error: why the program runs without probes. */
void start_say_unprobed(int error);

/** The same: the first program of a launcher cannot open what that has made for it. */
void start_say_no_session(void);

/** Why none of @probes could be placed, if it is not in the place: an EP_ code; else 0. */
int start_why_unprobed(const struct trace_probes *probes);

/** The same where none of @probes could be placed, all for a reason that is not in the place. */
void start_check_placed(const struct trace_probes *probes);

#endif
