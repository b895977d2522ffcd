/* SPDX-License-Identifier: MIT */
/*
 * The part of a hit that is the same under every plan: handlers in the order of registration,
 * recursion, counters. A thread publishes the site whose handlers it runs, with plain stores; who
 * removes a probe pays for the ordering with a barrier on all threads (probe_thread_wait), so
 * that a hit pays nothing (G5).
 */
#include "probe/site/hit.h"

#include <errno.h>

#include "probe/thread/counters.h"
#include "probe/thread/thread.h"

static long errno_offset; /* of errno from the thread pointer: the same in every thread */

EP_TRAP_PATH static inline uint64_t load_fs(int64_t offset)
{
	uint64_t ret;

	__asm__ volatile("movq %%fs:(%1), %0" : "=r"(ret) : "r"(offset));
	return ret;
}

EP_TRAP_PATH static inline int load_errno(void)
{
	int ret;

	__asm__ volatile("movl %%fs:(%1), %0" : "=r"(ret) : "r"(errno_offset));
	return ret;
}

EP_TRAP_PATH static inline void store_errno(int value)
{
	__asm__ volatile("movl %0, %%fs:(%1)" : : "r"(value), "r"(errno_offset) : "memory");
}

void hit_init(void)
{
	errno_offset = (char *)&errno - (char *)load_fs(0);
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

		if (!probe_state_enabled(&probe->state))
			continue;
		count_hit(probe, trapped);
		if (probe->handler)
			probe->handler(probe->handle, regs, probe->cookie);
	}
}

/* Returns what errno was. */
EP_TRAP_PATH static inline int begin(struct probe_thread *thread, struct probe_site *site,
				     const struct ep_regs *regs)
{
	thread->running_rsp = regs->rsp;
	atomic_store_explicit(&thread->running, site, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	return load_errno();
}

EP_TRAP_PATH static inline void end(struct probe_thread *thread, int error)
{
	atomic_store_explicit(&thread->calls, thread->calls + 1, memory_order_relaxed);
	atomic_store_explicit(&thread->running, NULL, memory_order_release);
	if (error != load_errno())
		store_errno(error);
}

EP_TRAP_PATH static void call_handlers(struct probe_site *site, struct ep_regs *regs,
				       struct probe_thread *thread, bool trapped)
{
	int error = begin(thread, site, regs);
	const struct probe_list *list = atomic_load_explicit(&site->probes, memory_order_acquire);

	if (list)
		call_all(list, regs, trapped);
	end(thread, error);
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

		if (!probe_state_enabled(&probe->state))
			continue;
		if (probe->handler)
			add_locked(&counts_of(probe)->missed);
		else
			count_hit(probe, trapped);
	}
	atomic_store_explicit(&thread->passing, outer, memory_order_release);
}

/*
 * A thread that libc has not made, or of which libc has no memory left. What a handler may use is
 * not there: it is not called.
 */
EP_TRAP_PATH static void pass_nameless(struct probe_site *site, bool trapped)
{
	const struct probe_list *list;

	probe_thread_begin_nameless();
	list = atomic_load(&site->probes);
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct ep_probe *probe = list->probes[i];

		if (!probe_state_enabled(&probe->state))
			continue;
		add_locked(probe->handler ? &counts_of(probe)->missed : &counts_of(probe)->hits);
		if (trapped && !probe->handler)
			add_locked(&counts_of(probe)->trapped);
	}
	probe_thread_end_nameless();
}

EP_TRAP_PATH void hit_handlers(struct probe_site *site, struct ep_regs *regs, bool trapped)
{
	struct probe_thread *thread = probe_thread_self();

	if (!thread)
		pass_nameless(site, trapped);
	if (!thread || thread->engine_depth)
		return;
	if (probe_thread_runs_handler(thread, regs->rsp))
		pass(site, thread, trapped);
	else
		call_handlers(site, regs, thread, trapped);
}

/* The counter at @place, which is found sooner than that of the probe; NULL: there is none. */
EP_TRAP_PATH static inline uint64_t *counter_at(uint64_t place)
{
	char *block = place ? (char *)load_fs((int32_t)place) : NULL;

	return block ? (uint64_t *)(void *)(block + (place >> 32)) : NULL;
}

EP_TRAP_PATH static inline bool is_idle(const struct probe_thread *thread)
{
	return thread && atomic_load_explicit(&thread->tid, memory_order_relaxed) &&
	       !thread->engine_depth &&
	       !atomic_load_explicit(&thread->running, memory_order_relaxed);
}

/* The commonest case at once: an idle thread, and one probe, that is enabled and has a handler. */
EP_TRAP_PATH void hit_from_detour(struct ep_regs *regs, void *data, uint64_t place)
{
	struct probe_thread *thread = probe_thread_if_known();
	uint64_t *counter = thread ? counter_at(place) : NULL;
	struct probe_site *site = data;
	struct ep_probe *probe;
	int error;

	if (!is_idle(thread) || !counter) {
		hit_handlers(site, regs, false);
		return;
	}
	error = begin(thread, site, regs);
	probe = atomic_load_explicit(&site->only, memory_order_acquire);
	if (!probe || !probe_state_enabled(&probe->state)) {
		atomic_store_explicit(&thread->running, NULL, memory_order_release);
		hit_handlers(site, regs, false);
		return;
	}
	__asm__ volatile("incq %0" : "+m"(*counter) : : "cc");
	probe->handler(probe->handle, regs, probe->cookie);
	end(thread, error);
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
