/* SPDX-License-Identifier: MIT */
/*
 * Settings are read in signal handlers of any thread while another one changes them: a sequence
 * count tells a torn read. The writer runs in a trap, with asynchronous signals blocked.
 */
#include "probe/guest/actions.h"

#include <stdatomic.h>

#define SIGNALS 64

struct program_action {
	_Atomic uint32_t sequence; /* odd: being written */
	struct signals_action action;
};

static struct program_action program[SIGNALS + 1];

EP_TRAP_PATH void actions_get(int sig, struct signals_action *ret)
{
	struct program_action *entry = &program[sig];
	uint32_t before, after;

	do {
		before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
		actions_copy(ret, &entry->action);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&entry->sequence, memory_order_relaxed);
	} while (before != after || (before & 1));
}

EP_TRAP_PATH void actions_set(int sig, const struct signals_action *action)
{
	struct program_action *entry = &program[sig];
	uint32_t even;

	do
		even = atomic_load(&entry->sequence) & ~1u;
	while (!atomic_compare_exchange_weak(&entry->sequence, &even, even + 1));
	actions_copy(&entry->action, action);
	atomic_store_explicit(&entry->sequence, even + 2, memory_order_release);
}
