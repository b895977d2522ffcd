/* SPDX-License-Identifier: MIT */
/* Trace events as JSON, which chrome://tracing, Perfetto and other viewers open. */
#ifndef EMUPROBE_CLI_FORMAT_CHROME_H
#define EMUPROBE_CLI_FORMAT_CHROME_H

#include "cli/format/counters.h"
#include "trace/report/writer.h"

/** @ret It writes with @counters, which stay. @return 0 or -EP_NO_MEMORY. */
int chrome_create(const struct counters *counters, struct trace_format_writer *ret);

#endif
