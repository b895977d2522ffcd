/* SPDX-License-Identifier: MIT */
/* Finds the site of an address: wait-free, in a trap too. Who adds one holds the engine's lock. */
#ifndef EMUPROBE_PROBE_SITE_REGISTRY_H
#define EMUPROBE_PROBE_SITE_REGISTRY_H

#include <stddef.h>

#include "probe/site/site.h"

/**
 * The site at @address, armed or not.
 *
 * @return   NULL: no site was ever there.
 * Context:  TRAP_PATH; wait-free.
 */
EP_TRAP_PATH struct probe_site *registry_find(uint64_t address);

/**
 * Publish @site, in place of an older one of that address if there is one.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  engine lock held.
 */
int registry_insert(struct probe_site *site);

/**
 * Copy @size bytes of program text as they were before any probe (G7).
 *
 * @return   false: they cannot be read.
 * Context:  engine lock held.
 */
bool registry_read_original(uint64_t address, uint8_t *ret, size_t size);

/**
 * Where a thread at @address goes on that is not the first byte of an armed site: at a boundary of
 * a promoted one, in the displaced copy (G3).
 *
 * @ret_late  There was such a boundary, but it is gone: try again at @address.
 *
 * @return   0: no such boundary.
 * Context:  TRAP_PATH; wait-free.
 */
EP_TRAP_PATH uint64_t registry_find_boundary(uint64_t address, bool *ret_late);

/** The promoted site with @address inside its five bytes, but not at their start; NULL: none. */
struct probe_site *registry_find_cover(uint64_t address);

/* Call @visit for every site. Context: TRAP_PATH; misses what is being added. */
EP_TRAP_PATH void registry_each(void (*visit)(struct probe_site *site, void *data), void *data);

/**
 * Is what we wrote for @site in the text? Not if it is not armed, and not if the code is gone:
 * unloaded, unmapped, replaced. Such a site must be forgotten, not disarmed.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool registry_stands(const struct probe_site *site);

#endif
