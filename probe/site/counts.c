/* SPDX-License-Identifier: MIT */
#include "probe/site/counts.h"

struct counts_moved counts_moved;

void counts_set(struct ep_probe *probe, struct ep_counts *counts)
{
	uint64_t at = (uint64_t)counts, now = counts_moved.start + counts_moved.distance;

	if (at - now < counts_moved.size)
		at -= counts_moved.distance;
	atomic_store(&probe->counts, (struct ep_counts *)at);
}

void counts_use_block(struct ep_counts *block, size_t count)
{
	counts_moved = (struct counts_moved){(uint64_t)block, count * sizeof(*block), 0};
}

void counts_move_block(struct ep_counts *to)
{
	counts_moved.distance = (uint64_t)to - counts_moved.start;
}
