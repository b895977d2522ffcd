/* SPDX-License-Identifier: MIT */
/* Handles: what users of the API hold for a probe, and how the probe is found by one. */
#ifndef EMUPROBE_PROBE_API_HANDLES_H
#define EMUPROBE_PROBE_API_HANDLES_H

#include "probe/site/site.h"

/** A probe, zero but for its handle and state; NULL: no memory. Context: engine lock held. */
struct ep_probe *handles_take(void);

/** Make @probe's handle invalid, and disable @probe. Context: engine lock held. */
void handles_revoke(struct ep_probe *probe);

/** Free @probe, which no thread looks at any more. Context: engine lock held. */
void handles_give_back(struct ep_probe *probe);

/**
 * The probe that @handle means; NULL: there is none; @handle may be anything. Without the lock it
 * may be removed at any time: .state then says so.
 * Context: TRAP_PATH.
 */
EP_TRAP_PATH struct ep_probe *handles_find(const struct ep_probe *handle);

/** Does this @word of a state belong to the probe that @handle means? Context: TRAP_PATH. */
EP_TRAP_PATH bool handles_is_of(const struct ep_probe *handle, uint64_t word);

#endif
