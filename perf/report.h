/* SPDX-License-Identifier: MIT */
/* What was measured, as a table for people and as JSON for plots. */
#ifndef EMUPROBE_PERF_REPORT_H
#define EMUPROBE_PERF_REPORT_H

#include "perf/harness.h"

/** Table to stdout, JSON to options->json. Returns the exit status. */
int perf_report(const struct perf_table *table, const struct perf_options *options);

#endif
