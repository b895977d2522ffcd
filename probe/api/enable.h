/* SPDX-License-Identifier: MIT */
/* Enabled probes, disabled ones, and what they count. */
#ifndef EMUPROBE_PROBE_API_ENABLE_H
#define EMUPROBE_PROBE_API_ENABLE_H

#include "probe/site/site.h"

/**
 * Set the state of a new probe that has its counter. Context: engine lock held; nobody uses it yet.
 */
void enable_init(struct ep_probe *probe, bool enabled);

/** Hits of @probe while it was enabled, as far as its counter has counted them. */
uint64_t enable_counted(struct ep_probe *probe);

#endif
