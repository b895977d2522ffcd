// SPDX-License-Identifier: MIT
/*
 * The part of a hit that is the same under every plan: handlers in the order of registration,
 * recursion, counters. A thread publishes the site whose handlers it runs, with plain stores; who
 * removes a probe pays for the ordering with a barrier on all threads (probe_thread_wait), so
 * that a hit pays nothing (G5).
 */
#include "probe/hit.h"

#include <errno.h>

#include "probe/counters.h"
#include "probe/thread.h"

#define SAME_STACK 0x100000u /* farther apart, two addresses may be of different stacks */

static long errno_offset; /* of errno from the thread pointer: the same in every thread */

EP_TRAP_PATH static inline char *thread_pointer(void)
{
	char *ret;

	__asm__("mov %%fs:0, %0" : "=r"(ret));
	return ret;
}

void hit_init(void)
{
	errno_offset = (char *)&errno - thread_pointer();
}

EP_TRAP_PATH static struct ep_counts *counts_of(const struct ep_probe *probe)
{
	return atomic_load_explicit(&probe->counts, memory_order_relaxed);
}

EP_TRAP_PATH static void add_locked(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

EP_TRAP_PATH static void count_hit(const struct ep_probe *probe, bool trapped)
{
	if (!counters_add(probe->counter))
		add_locked(&counts_of(probe)->hits);
	if (trapped)
		add_locked(&counts_of(probe)->trapped);
}

EP_TRAP_PATH static void call_all(const struct probe_list *list, struct ep_regs *regs, bool trapped)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct ep_probe *probe = list->probes[i];

		if (!atomic_load_explicit(&probe->enabled, memory_order_relaxed))
			continue;
		count_hit(probe, trapped);
		if (probe->handler)
			probe->handler(probe, regs, probe->cookie);
	}
}

EP_TRAP_PATH static void call_handlers(struct probe_site *site, struct ep_regs *regs,
				       struct probe_thread *thread, bool trapped)
{
	int *error = (int *)(void *)(thread_pointer() + errno_offset);
	int saved_error = *error;
	const struct probe_list *list;

	thread->running_rsp = regs->rsp;
	atomic_store_explicit(&thread->running, site, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	list = atomic_load_explicit(&site->probes, memory_order_acquire);
	if (list)
		call_all(list, regs, trapped);
	atomic_store_explicit(&thread->calls, thread->calls + 1, memory_order_relaxed);
	atomic_store_explicit(&thread->running, NULL, memory_order_release);
	*error = saved_error;
}

/*
 * The thread is in a handler already: no other is called. A probe without one misses nothing. The
 * list cannot be freed under us, since the thread is published with this site, too.
 */
EP_TRAP_PATH static void pass(struct probe_site *site, struct probe_thread *thread, bool trapped)
{
	struct probe_site *outer = atomic_load_explicit(&thread->passing, memory_order_relaxed);
	const struct probe_list *list;

	atomic_store_explicit(&thread->passing, site, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	list = atomic_load_explicit(&site->probes, memory_order_acquire);
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct ep_probe *probe = list->probes[i];

		if (!atomic_load_explicit(&probe->enabled, memory_order_relaxed))
			continue;
		if (probe->handler)
			add_locked(&counts_of(probe)->missed);
		else
			count_hit(probe, trapped);
	}
	atomic_store_explicit(&thread->passing, outer, memory_order_release);
}

/*
 * Is the thread in a handler? Not if that one was left by a jump, out of a signal handler that
 * interrupted it, say: then the stack has shrunk to where the handler's frame cannot be any more.
 */
EP_TRAP_PATH static bool is_in_handler(const struct probe_thread *thread,
				       const struct ep_regs *regs)
{
	return atomic_load_explicit(&thread->running, memory_order_relaxed) &&
	       regs->rsp - thread->running_rsp >= SAME_STACK;
}

EP_TRAP_PATH void hit_handlers(struct probe_site *site, struct ep_regs *regs, bool trapped)
{
	struct probe_thread *thread = probe_thread_self();

	if (!thread || thread->engine_depth)
		return;
	if (is_in_handler(thread, regs))
		pass(site, thread, trapped);
	else
		call_handlers(site, regs, thread, trapped);
}

EP_TRAP_PATH void hit_from_detour(struct ep_regs *regs, void *site)
{
	hit_handlers(site, regs, false);
}

EP_TRAP_PATH void hit_resume_emulated(const struct probe_site *site, struct ep_regs *regs)
{
	if (!emu_run(&site->op, regs))
		regs->rip = site->slot;
}

EP_TRAP_PATH void hit_resume_boosted(const struct probe_site *site, struct ep_regs *regs)
{
	regs->rip = site->slot;
}
