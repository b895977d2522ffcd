/* SPDX-License-Identifier: MIT */
/* What users have of a probe, and the probe itself. */
#ifndef EMUPROBE_PROBE_API_HANDLES_H
#define EMUPROBE_PROBE_API_HANDLES_H

#include "probe/site/site.h"

/** A probe, zero but for its handle and state; NULL: no memory. Context: engine lock held. */
struct ep_probe *handles_take(void);

/** From now on @probe's handle means nothing, and it is not enabled. Context: engine lock held. */
void handles_revoke(struct ep_probe *probe);

/** Give it back: nobody looks at it any more. Context: engine lock held. */
void handles_give_back(struct ep_probe *probe);

/**
 * The probe that @handle means; NULL: none, whatever is handed in. Without the lock it may be
 * removed at any time: .state then says so.
 * Context: any, signal handlers included.
 */
struct ep_probe *handles_find(const struct ep_probe *handle);

/** Does this @word of a state belong to the probe that @handle means? Context: any. */
bool handles_is_of(const struct ep_probe *handle, uint64_t word);

#endif
