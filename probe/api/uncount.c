/* SPDX-License-Identifier: MIT */
/*
 * A hit is counted before its handler is called, which may find that it is none. What is taken off is a
 * number of the calling thread, or of all: the sum over threads is what counts, so either will do.
 */
#include "include/counting.h"
#include "probe/api/handles.h"
#include "probe/site/counts.h"
#include "probe/thread/counters.h"

EP_TRAP_PATH static void take_off(uint32_t counter, uint64_t *locked)
{
	uint64_t *own = counters_find(counter);

	if (own)
		__asm__ volatile("decq %0" : "+m"(*own) : : "cc");
	else
		__atomic_fetch_sub(locked, 1, __ATOMIC_RELAXED);
}

EP_TRAP_PATH static void take_off_end(const struct ep_probe *probe, struct ep_counts *counts,
				      enum ep_end end)
{
	if (end == EP_END_RETURN)
		take_off(probe->return_counter, &counts->returns);
	else if (end == EP_END_UNWIND)
		__atomic_fetch_sub(&counts->unwound, 1, __ATOMIC_RELAXED);
	else if (end == EP_END_JUMP)
		__atomic_fetch_sub(&counts->abandoned, 1, __ATOMIC_RELAXED);
}

EP_TRAP_PATH void ep_probe_uncount(struct ep_probe *probe, const struct ep_call *call)
{
	const struct ep_probe *found = handles_find(probe);
	struct ep_counts *counts;

	if (!found)
		return;
	counts = counts_of(found);
	take_off(found->counter, &counts->hits);
	if (call)
		take_off_end(found, counts, call->end);
}
