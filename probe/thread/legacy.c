/* SPDX-License-Identifier: MIT */
#include "probe/thread/legacy.h"

#include <stddef.h>

#include "sys/call.h"
#include "sys/process.h"

EP_TRAP_PATH static bool is_left(uint64_t owner, uint64_t self)
{
	if (!owner || owner == self)
		return true;
	return owner >> 32 == self >> 32 && sys_is_dead(sys_getpid(), (uint32_t)owner);
}

/* On from @one, which is in use. */
EP_TRAP_PATH static void pass(struct legacies *from, struct legacy *at, const struct legacy *one)
{
	struct legacy *next = one->next;

	if (atomic_compare_exchange_strong(&from->at, &at, next) && !next)
		sys_round_end(&from->round);
}

/* What is behind one is read only if that is in use: it may lie where a program scribbles. */
EP_TRAP_PATH struct legacy *legacy_take(struct legacies *from, uint64_t self)
{
	uint32_t tries = sys_round_tries(&from->round, atomic_load(&from->count));

	for (; tries; tries--) {
		struct legacy *at = atomic_load(&from->at);
		struct legacy *one = at ? at : atomic_load(&from->first);
		uint64_t owner = atomic_load(&one->owner);
		bool left = is_left(owner, self);

		sys_round_see(&from->round, left);
		if (left && atomic_compare_exchange_strong(&one->owner, &owner, self))
			return one;
		pass(from, at, one);
	}
	return NULL;
}

EP_TRAP_PATH void legacy_add(struct legacies *to, struct legacy *made, uint64_t owner)
{
	atomic_store_explicit(&made->owner, owner, memory_order_relaxed);
	made->next = atomic_load_explicit(&to->first, memory_order_relaxed);
	while (!atomic_compare_exchange_weak(&to->first, &made->next, made))
		;
	atomic_fetch_add(&to->count, 1);
}
