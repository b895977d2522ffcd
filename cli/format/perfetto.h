/* SPDX-License-Identifier: MIT */
/* Traces that ui.perfetto.dev and Perfetto's trace processor open. */
#ifndef EMUPROBE_CLI_FORMAT_PERFETTO_H
#define EMUPROBE_CLI_FORMAT_PERFETTO_H

#include "cli/format/counters.h"
#include "trace/report/writer.h"

/** @ret It writes with @counters, which stay. @return 0 or -EP_NO_MEMORY. */
int perfetto_create(const struct counters *counters, struct trace_format_writer *ret);

#endif
