/* SPDX-License-Identifier: MIT */
/*
 * Where a probe's struct ep_counts is: the child of a fork has others, and to tell each of thousands of
 * probes so would give it a page of its own for every dozen of them. So probes keep where theirs was in the
 * first process, and what lies in that block is found in another one.
 */
#ifndef EMUPROBE_PROBE_SITE_COUNTS_H
#define EMUPROBE_PROBE_SITE_COUNTS_H

#include "probe/site/site.h"

struct counts_moved {
	uint64_t start, size; /* of the block that was there first */
	uint64_t distance;    /* from it to the one that is used now */
};

extern struct counts_moved counts_moved;

/** Context: TRAP_PATH. */
EP_TRAP_PATH static inline struct ep_counts *counts_of(const struct ep_probe *probe)
{
	uint64_t at = (uint64_t)atomic_load_explicit(&probe->counts, memory_order_relaxed);

	if (at - counts_moved.start < counts_moved.size)
		at += counts_moved.distance;
	return (struct ep_counts *)at;
}

/** They are at @counts from now on. Context: any thread. */
void counts_set(struct ep_probe *probe, struct ep_counts *counts);

/** As ep_use_count_block() and ep_move_count_block(). */
void counts_use_block(struct ep_counts *block, size_t count);
void counts_move_block(struct ep_counts *to);

#endif
