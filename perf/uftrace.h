/* SPDX-License-Identifier: MIT */
/* uftrace(1), another tracer without kernel support: function entry and exit, with time stamps. */
#ifndef EMUPROBE_PERF_UFTRACE_H
#define EMUPROBE_PERF_UFTRACE_H

/** @return NULL, or why it cannot be run: a string that stays. */
const char *uftrace_find(void *data);

/** Nanoseconds of a call that is recorded; NAN where it failed. */
double uftrace_run(void *data);

#endif
