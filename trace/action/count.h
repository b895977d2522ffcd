/* SPDX-License-Identifier: MIT */
/* Hits that are only counted, where a filter says which of them. */
#ifndef EMUPROBE_TRACE_ACTION_COUNT_H
#define EMUPROBE_TRACE_ACTION_COUNT_H

#include "trace/action/record.h"

/** An ep_handler, of a probe whose program has a filter. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_count_hit(struct ep_probe *probe, struct ep_regs *regs, void *cookie);

#endif
