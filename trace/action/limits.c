/* SPDX-License-Identifier: MIT */
/*
 * "The first ten" means ten of all threads and processes together: so what is counted for it is shared, and
 * a hit that looks at it pays for a locked instruction. Where nothing is left to be taken that is a mere
 * look, and the probe is disabled: in this process at its first hit that comes too late.
 */
#include "trace/action/limits.h"

#include "sys/call.h"

static struct {
	const struct trace_limits *list;
	struct trace_limit_counts *counts;
	const _Atomic uint32_t *over; /* says the launcher */
} local;

/* Kept, since asking costs more than a hit; a child of a fork has another one. */
static __thread struct {
	uint32_t epoch; /* when it was asked; 0: never */
	int32_t tid;
} mine;

void trace_limits_init(const struct trace_session *session, const struct trace_limits *list,
		       struct trace_limit_counts *counts)
{
	local.list = list;
	local.counts = counts;
	local.over = &session->shared->over;
}

EP_TRAP_PATH static bool is_thread(int32_t tid)
{
	uint32_t epoch = trace_record_epoch();

	if (mine.epoch != epoch) {
		mine.epoch = epoch;
		mine.tid = (int32_t)sys6(SYS_gettid, 0, 0, 0, 0, 0, 0);
	}
	return mine.tid == tid;
}

EP_TRAP_PATH static bool has_begun(const struct trace_limits *limits,
				   struct trace_limit_counts *counts)
{
	if (limits->is_awaited && !atomic_load_explicit(&counts->begun, memory_order_relaxed))
		atomic_store(&counts->begun, 1);
	return !limits->after ||
	       atomic_load_explicit(&local.counts[limits->after - 1].begun, memory_order_relaxed);
}

/* Its turn is one in so many. */
EP_TRAP_PATH static bool is_turn(uint64_t every, struct trace_limit_counts *counts)
{
	return !every || atomic_fetch_add(&counts->passed, 1) % every == 0;
}

/* *ret_last: no other one will be. */
EP_TRAP_PATH static bool is_among_first(uint64_t first, struct trace_limit_counts *counts,
					bool *ret_last)
{
	uint64_t taken = 0;

	if (!first)
		return true;
	if (atomic_load_explicit(&counts->taken, memory_order_relaxed) < first)
		taken = atomic_fetch_add(&counts->taken, 1) + 1;
	*ret_last = !taken || taken >= first;
	return taken && taken <= first;
}

EP_TRAP_PATH bool trace_limits_pass(const struct trace_probe *probe)
{
	const struct trace_limits *limits = local.list ? &local.list[probe->view.definition] : NULL;
	bool is_over = atomic_load_explicit(local.over, memory_order_relaxed), ret = !is_over;
	struct trace_limit_counts *counts;

	if (limits && ret) {
		counts = &local.counts[probe->view.definition];
		ret = (!limits->tid || is_thread(limits->tid)) && has_begun(limits, counts) &&
		      is_turn(limits->every, counts) &&
		      is_among_first(limits->first, counts, &is_over);
	}
	if (is_over)
		ep_probe_disable(probe->handle);
	return ret;
}
