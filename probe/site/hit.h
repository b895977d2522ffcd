/* SPDX-License-Identifier: MIT */
/* A hit: what happens when a thread reaches a site, whichever plan brought it here. */
#ifndef EMUPROBE_PROBE_SITE_HIT_H
#define EMUPROBE_PROBE_SITE_HIT_H

#include "probe/site/site.h"

/**
 * Call the handlers of @site (@trapped: by a trap, not a jump), or count the hit as missed when the
 * thread is in a handler already. Afterwards regs->rip is the site's address, or where a handler
 * wants to go. Context:  TRAP_PATH.
 */
EP_TRAP_PATH void hit_handlers(struct probe_site *site, struct ep_regs *regs, bool trapped);

/* The same, as a detour calls it; @where the counter of the site is, 0: it has none. TRAP_PATH. */
EP_TRAP_PATH void hit_from_detour(struct ep_regs *regs, void *site, uint64_t where, void *vectors);

/* Called by detours of sites whose one probe is .scratch_only, in place of detour.S: see scratch.S. */
extern const uint8_t hit_scratch[];

/* The same for a detour that follows calls. TRAP_PATH. */
EP_TRAP_PATH void hit_from_detour_of_calls(struct ep_regs *regs, void *site, uint64_t where,
					   void *vectors);

/* The plans' ways on; the values of struct probe_site's resume. TRAP_PATH. */
EP_TRAP_PATH void hit_resume_emulated(const struct probe_site *site, struct ep_regs *regs);
EP_TRAP_PATH void hit_resume_boosted(const struct probe_site *site, struct ep_regs *regs);

#endif
