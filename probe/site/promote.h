/* SPDX-License-Identifier: MIT */
/* Promotion: from int3 to a jump, and back, in running code. */
#ifndef EMUPROBE_PROBE_SITE_PROMOTE_H
#define EMUPROBE_PROBE_SITE_PROMOTE_H

#include <stddef.h>

#include "probe/site/site.h"

/**
 * May a jump stand on @insn, and does it pay? (@asked EP_PLAN_JUMP: whether or not.)
 *
 * @return   0, -EP_JUMP_CODE, -EP_JUMP_OVERLAP, -EP_JUMP_TARGET, -EP_JUMP_ENTRY, -EP_JUMP_RETURN,
 *           -EP_NOT_JUMPED or -EP_NO_MEMORY.
 * Context:  engine lock held.
 */
int promote_check(const struct x86_insn *insn, enum ep_plan asked);

/**
 * Make jumps ready for those of @sites that ask for the best plan or for a jump, and can have one;
 * the others get their jump_reason. They must be marked as armed, but the int3s are best written
 * later: this uses much of libc, which may be what is probed.
 * Context:  engine lock held.
 */
void promote_prepare(struct probe_site *const *sites, size_t count);

/**
 * Write what is ready over int3s.
 * Context:  engine lock held. Three barriers in all, whatever @count is.
 */
void promote_write(struct probe_site *const *sites, size_t count);

/** Is @site promoted, though its probes ask for something else by now? */
bool promote_is_outdated(const struct probe_site *site);

/** Plan again for what stood in the way of one of @sites, which are disarmed by now. */
void promote_neighbours(struct probe_site *const *sites, size_t count);

/** Make int3s of jumps again; what is not promoted is skipped. Context: as promote_write(). */
void promote_undo(struct probe_site *const *sites, size_t count);

#endif
