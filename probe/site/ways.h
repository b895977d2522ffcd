/* SPDX-License-Identifier: MIT */
/*
 * Functions that use their own return address cannot find that of a stub there. Of these the ways out
 * are probed instead, so that nothing on the stack changes: each `ret`, and each jump to another
 * function.
 */
#ifndef EMUPROBE_PROBE_SITE_WAYS_H
#define EMUPROBE_PROBE_SITE_WAYS_H

#include "probe/site/site.h"

/**
 * Calls of the function at @site are about to be followed, by the first of its probes that does so:
 * look how, and if need be have its ways out armed.
 *
 * @return   0, -EP_NOT_A_FUNCTION, -EP_NOT_FOLLOWED, -EP_NO_MEMORY, or why a way out cannot be probed.
 * Context:  engine lock held. 50 to 300 ns for each instruction of the function.
 */
int ways_open(struct probe_site *site, enum ep_plan asked);

/** The last of these is removed. Context: engine lock held. */
void ways_close(struct probe_site *site);

/** As ways_open(), but nothing is armed. @ret: how many ways out would be. */
int ways_check(uint64_t address, uint64_t *ret);

#endif
