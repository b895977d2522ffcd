/* SPDX-License-Identifier: MIT */
/* Creates, arms and disarms sites. */
#ifndef EMUPROBE_PROBE_SITE_SITES_H
#define EMUPROBE_PROBE_SITE_SITES_H

#include <stddef.h>

#include "probe/site/site.h"

/**
 * The site at @address, made ready for @asked but not armed: an old one if there is one.
 *
 * @return   0 or a refusal, -EP_NO_MEMORY.
 * Context:  engine lock held.
 */
int sites_get(uint64_t address, enum ep_plan asked, struct probe_site **ret);

/** The same where the caller knows that an instruction begins at @address. */
int sites_get_known(uint64_t address, enum ep_plan asked, struct probe_site **ret);

/** The same for a syscall with a guard of the engine's own, which is there before any probe. */
int sites_get_guarded(uint64_t address, bool is_known, const struct xol_guard *guard,
		      struct probe_site **ret);

/**
 * Arm those of @sites that are not armed, and promote what can be promoted. What is not armed
 * afterwards could not be written.
 *
 * @unseen   No other process runs in this memory: where no other thread does, either, jumps are
 *           written at once.
 *
 * @return   0 or -EP_NO_MEMORY: nothing was done.
 * Context:  engine lock held.
 */
int sites_arm(struct probe_site *const *sites, size_t count, bool unseen);

/** Put the original bytes back, unless the code is gone. Context: as sites_arm(). */
void sites_disarm(struct probe_site *const *sites, size_t count);

/**
 * The code from @start to @end has been unmapped: nothing there is armed, and nothing will be
 * written there. The probes stay as they are, and fire again if the same code comes back and is
 * probed again.
 * Context:  engine lock held.
 */
void sites_forget(uint64_t start, uint64_t end);

/**
 * Put all original bytes back, for a core dump: the process is about to die.
 * Context:  TRAP_PATH; without any lock.
 */
EP_TRAP_PATH void sites_restore_text(void);

#endif
