/* SPDX-License-Identifier: MIT */
/*
 * The part of a hit that is the same under every plan: handlers in the order of registration,
 * recursion, counters.
 */
#include "probe/site/hit.h"

#include "probe/site/calls.h"
#include "probe/site/counts.h"
#include "probe/site/running.h"
#include "probe/thread/counters.h"
#include "probe/thread/thread.h"

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

EP_TRAP_PATH static void call_one(struct ep_probe *probe, struct calls_entry *entry)
{
	if (probe->follows && !calls_enter(entry, probe)) {
		add_locked(&counts_of(probe)->missed);
		return;
	}
	count_hit(probe, entry->trapped);
	if (probe->handler)
		probe->handler(probe->handle, entry->regs, probe->cookie);
}

/* Returns as calls_way_on(). */
EP_TRAP_PATH static uint64_t call_all(const struct probe_list *list, struct probe_site *site,
				      struct ep_regs *regs, bool trapped)
{
	struct calls_entry entry;

	calls_begin(&entry, site, regs, trapped);
	for (uint32_t i = 0; i < list->count; i++)
		if (probe_state_enabled(&list->probes[i]->state) &&
		    !probe_leaves(list->probes[i], regs))
			call_one(list->probes[i], &entry);
	return calls_way_on(&entry);
}

EP_TRAP_PATH static uint64_t call_handlers(struct probe_site *site, struct ep_regs *regs,
					   struct probe_thread *thread, bool trapped)
{
	int error = running_begin(thread, site, regs->rsp);
	const struct probe_list *list = atomic_load_explicit(&site->probes, memory_order_acquire);
	uint64_t way_on = list ? call_all(list, site, regs, trapped) : 0;

	if (__builtin_expect(atomic_load_explicit(&site->way, memory_order_relaxed), 0) &&
	    regs->rip == site->address)
		calls_way_out(site, regs, thread);
	running_end(thread, error, NULL);
	return way_on;
}

/*
 * The thread is in a handler already: no other is called. A probe without one misses nothing. The
 * list cannot be freed under us, since the thread is published with this site, too.
 */
EP_TRAP_PATH static void pass(struct probe_site *site, const struct ep_regs *regs,
			      struct probe_thread *thread, bool trapped)
{
	struct probe_site *outer = atomic_load_explicit(&thread->passing, memory_order_relaxed);
	const struct probe_list *list;

	atomic_store_explicit(&thread->passing, site, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	list = atomic_load_explicit(&site->probes, memory_order_acquire);
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct ep_probe *probe = list->probes[i];

		if (!probe_state_enabled(&probe->state) || probe_leaves(probe, regs))
			continue;
		if (probe_is_called(probe))
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
EP_TRAP_PATH static void pass_nameless(struct probe_site *site, const struct ep_regs *regs,
				       bool trapped)
{
	const struct probe_list *list;

	probe_thread_begin_nameless();
	list = atomic_load(&site->probes);
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct ep_probe *probe = list->probes[i];

		if (!probe_state_enabled(&probe->state) || probe_leaves(probe, regs))
			continue;
		add_locked(probe_is_called(probe) ? &counts_of(probe)->missed
						  : &counts_of(probe)->hits);
		if (trapped && !probe_is_called(probe))
			add_locked(&counts_of(probe)->trapped);
	}
	probe_thread_end_nameless();
}

EP_TRAP_PATH static uint64_t handle(struct probe_site *site, struct ep_regs *regs, bool trapped)
{
	struct probe_thread *thread = probe_thread_self();

	if (!thread)
		pass_nameless(site, regs, trapped);
	if (!thread || thread->engine_depth)
		return 0;
	if (trapped)
		thread->frame = regs;
	if (!probe_thread_runs_handler(thread, regs->rsp))
		return call_handlers(site, regs, thread, trapped);
	pass(site, regs, thread, trapped);
	return 0;
}

EP_TRAP_PATH void hit_handlers(struct probe_site *site, struct ep_regs *regs, bool trapped)
{
	handle(site, regs, trapped);
}

/* The counter at @where, which is found sooner than that of the probe; NULL: there is none. */
EP_TRAP_PATH static inline uint64_t *counter_at(uint64_t where)
{
	char *block = where ? (char *)running_load_fs((int32_t)where) : NULL;

	return block ? (uint64_t *)(void *)(block + (where >> 32)) : NULL;
}

EP_TRAP_PATH static inline bool is_idle(const struct probe_thread *thread)
{
	return thread && atomic_load_explicit(&thread->tid, memory_order_relaxed) &&
	       !thread->engine_depth &&
	       !atomic_load_explicit(&thread->running, memory_order_relaxed);
}

/* The commonest case at once: an idle thread, and one probe, that is enabled and has a handler. */
EP_TRAP_PATH void hit_from_detour(struct ep_regs *regs, void *data, uint64_t where, void *vectors)
{
	struct probe_thread *thread = probe_thread_if_known();
	uint64_t *counter = thread ? counter_at(where) : NULL;
	struct probe_site *site = data;
	struct ep_probe *probe;
	int error;

	(void)vectors;
	if (!is_idle(thread) || !counter) {
		hit_handlers(site, regs, false);
		return;
	}
	error = running_begin(thread, site, regs->rsp);
	probe = atomic_load_explicit(&site->only, memory_order_acquire);
	if (!probe || !probe_state_enabled(&probe->state)) {
		atomic_store_explicit(&thread->running, NULL, memory_order_release);
		hit_handlers(site, regs, false);
		return;
	}
	if (!probe_leaves(probe, regs)) {
		__asm__ volatile("incq %0" : "+m"(*counter) : : "cc");
		probe->handler(probe->handle, regs, probe->cookie);
	}
	running_end(thread, error, NULL);
}

/*
 * Calls may begin here, and the detour goes where the word at XOL_WAY_ON says. Nothing of the
 * program's is there: its caller has just pushed the return address above.
 */
EP_TRAP_PATH void hit_from_detour_of_calls(struct ep_regs *regs, void *data, uint64_t where,
					   void *vectors)
{
	struct probe_thread *thread = probe_thread_if_known();
	uint64_t *counter = thread ? counter_at(where) : NULL;
	struct probe_site *site = data;
	uint64_t rsp = regs->rsp, way_on = 0;

	(void)vectors;
	if (is_idle(thread) && counter)
		way_on = calls_enter_at_once(site, regs, thread, counter);
	if (!way_on)
		way_on = handle(site, regs, false);
	if (!way_on)
		way_on = site->body;
	if (regs->rsp == rsp)
		*(uint64_t *)(rsp + XOL_WAY_ON) = way_on;
	else if (regs->rip == site->address)
		regs->rip = way_on;
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
