/* SPDX-License-Identifier: MIT */
/* Enabled probes, disabled ones, and what they count. */
#ifndef EMUPROBE_PROBE_API_ENABLE_H
#define EMUPROBE_PROBE_API_ENABLE_H

#include "probe/site/site.h"

/** The state of a new probe, whose counter is there. Context: engine lock held; nobody has it. */
void enable_init(struct ep_probe *probe, bool enabled);

/** How many of the hits that its counter has were hits of this probe while it was enabled. */
uint64_t enable_counted(struct ep_probe *probe);

#endif
