/* SPDX-License-Identifier: MIT */
/*
 * Whether a probe is enabled, and whether it is still the one that somebody has a handle of. Both
 * are asked and changed by handlers and signal handlers, so without a lock: two words, which change
 * together by one instruction.
 *
 *	 63         32 31                   4   3      2        1         0
 *	+-------------+----------------------+------+-------+----------+---------+
 *	| generation  | number of the change | live | never | changing | enabled |   and .base
 *	+-------------+----------------------+------+-------+----------+---------+
 *
 * What .base means, and why there is a state "changing", is in probe/api/enable.c. Each change
 * gives the first word a value that it never had before: so a compare-and-swap fails if there was
 * any change since the word was read. A hit looks at one bit of the first word.
 */
#ifndef EMUPROBE_PROBE_SITE_STATE_H
#define EMUPROBE_PROBE_SITE_STATE_H

#define PROBE_ENABLED 1 /* of the word; for .S files, too */

#ifndef __ASSEMBLER__
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

#define PROBE_CHANGING	 2ull /* to what .enabled says; .base is that of before */
#define PROBE_NEVER	 4ull /* its handler is gone: it is not enabled again */
#define PROBE_LIVE	 8ull /* created and not removed */
#define PROBE_CHANGE	 16ull
#define PROBE_GENERATION (1ull << 32)

struct probe_state {
	_Alignas(16) _Atomic uint64_t word;
	_Atomic uint64_t base;
};

struct probe_state_value {
	uint64_t word, base;
};

EP_TRAP_PATH static inline bool probe_state_enabled(const struct probe_state *state)
{
	return atomic_load_explicit(&((struct probe_state *)state)->word, memory_order_relaxed) &
	       PROBE_ENABLED;
}

/* Enabled or not: are its handlers still there, in a library that is loaded? */
EP_TRAP_PATH static inline bool probe_state_has_handlers(const struct probe_state *state)
{
	uint64_t word =
		atomic_load_explicit(&((struct probe_state *)state)->word, memory_order_relaxed);

	return (word & PROBE_LIVE) && !(word & PROBE_NEVER);
}

/* Each change changes the first word: if that has not changed, they belong together. */
EP_TRAP_PATH static inline struct probe_state_value probe_state_read(struct probe_state *state)
{
	struct probe_state_value ret;

	do {
		ret.word = atomic_load(&state->word);
		ret.base = atomic_load(&state->base);
	} while (atomic_load(&state->word) != ret.word);
	return ret;
}

/* With another number of the change; the flags are @flags. */
EP_TRAP_PATH static inline uint64_t probe_state_next(uint64_t word, uint64_t flags)
{
	uint64_t number = (word + PROBE_CHANGE) & (PROBE_GENERATION - PROBE_CHANGE);

	return (word & ~(PROBE_GENERATION - 1)) | number | flags;
}

/** @return Whether @state was @from, and is @to now. */
EP_TRAP_PATH static inline bool probe_state_replace(struct probe_state *state,
						    struct probe_state_value from,
						    struct probe_state_value to)
{
	bool ret;

	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz"(ret), "+m"(*state), "+a"(from.word), "+d"(from.base)
			 : "b"(to.word), "c"(to.base)
			 : "memory");
	return ret;
}

#endif

#endif
