/* SPDX-License-Identifier: MIT */
/*
 * Threads leave things behind, and the next one that needs such a thing takes it. Things are looked at in turn, a few at a
 * time. If a quarter of them was left in the last round then who needs one goes on until there is one; else one more is made. So
 * there are never many more than a third more than threads were alive at once, and where all are in use nobody looks at all of
 * them each time.
 */
#ifndef EMUPROBE_SYS_ROUND_H
#define EMUPROBE_SYS_ROUND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/memory.h"

#define SYS_ROUND_FEW 8u

/* All zero: none were looked at. Threads that look at the same time may count wrongly: then one thing more is made, or looked for. */
struct sys_round {
	_Atomic uint32_t seen, left; /* in the round that goes on */
	_Atomic uint32_t is_worth;   /* a quarter of those of the last one was */
};

/* How many to look at, of @count that there are. TRAP_PATH. */
SYS_INLINE uint32_t sys_round_tries(const struct sys_round *round, uint32_t count)
{
	bool is_worth = atomic_load_explicit(&round->is_worth, memory_order_relaxed);

	return is_worth || count < SYS_ROUND_FEW ? count : SYS_ROUND_FEW;
}

/* TRAP_PATH. */
SYS_INLINE void sys_round_see(struct sys_round *round, bool is_left)
{
	atomic_fetch_add_explicit(&round->seen, 1, memory_order_relaxed);
	if (is_left)
		atomic_fetch_add_explicit(&round->left, 1, memory_order_relaxed);
}

/* TRAP_PATH. */
SYS_INLINE void sys_round_end(struct sys_round *round)
{
	uint32_t seen = atomic_exchange(&round->seen, 0), left = atomic_exchange(&round->left, 0);

	atomic_store_explicit(&round->is_worth, left >= seen / 4, memory_order_relaxed);
}

#endif
