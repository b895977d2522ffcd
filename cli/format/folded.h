/* SPDX-License-Identifier: MIT */
/* A line for each way to a function: what programs that draw flame graphs read. */
#ifndef EMUPROBE_CLI_FORMAT_FOLDED_H
#define EMUPROBE_CLI_FORMAT_FOLDED_H

#include "cli/format/tree.h"

/** "outer;inner NUMBER": what the inner one took itself, where that is not 0. @return 0 or an error. */
int folded_put(const struct tree *tree, const struct trace_sink *sink);

#endif
