/* SPDX-License-Identifier: MIT */
/* The public API: what is known of a probe, and of a place where one might stand. */
#include <stddef.h>
#include <string.h>

#include "probe/api/enable.h"
#include "probe/api/handles.h"
#include "probe/api/options.h"
#include "probe/engine/engine.h"
#include "probe/engine/lock.h"
#include "probe/guest/host.h"
#include "probe/image/place.h"
#include "probe/site/counts.h"
#include "probe/site/plan.h"
#include "probe/site/ways.h"
#include "probe/thread/counters.h"
#include "probe/thread/thread.h"

static int give_info(struct ep_info *info, struct ep_info *ret)
{
	size_t size = ret->size;

	if (size < offsetof(struct ep_info, hits) || size % 8)
		return -EP_INVALID;
	info->size = size;
	memcpy(ret, info, size < sizeof(*info) ? size : sizeof(*info));
	if (size > offsetof(struct ep_info, object) && size < sizeof(*info))
		((char *)ret)[size - 1] = '\0'; /* a name may be cut off */
	return 0;
}

struct description {
	const struct ep_probe *probe;
	struct ep_info *info;
};

static void describe(void *data)
{
	const struct description *description = data;
	const struct ep_probe *probe = description->probe;

	place_describe(probe->site->address, description->info);
	x86_insn_text(&probe->site->insn, description->info->insn, sizeof(description->info->insn));
}

static void read_probe(struct ep_probe *probe, struct ep_info *ret)
{
	const struct ep_counts *counts = counts_of(probe);
	struct description description = {probe, ret};
	struct plan_choice choice;

	ret->address = probe->site->address;
	plan_of(probe->site, &choice);
	ret->plan = choice.plan;
	ret->reason = choice.reason;
	ret->ways_out = probe->site->way_count;
	/* Ends first: while calls come and go, no more may be seen to end than to begin. */
	ret->returns = __atomic_load_n(&counts->returns, __ATOMIC_RELAXED) +
		       counters_sum(probe->return_counter) - probe->returns_base;
	ret->unwound = __atomic_load_n(&counts->unwound, __ATOMIC_RELAXED);
	ret->abandoned = __atomic_load_n(&counts->abandoned, __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_acquire);
	ret->hits = __atomic_load_n(&counts->hits, __ATOMIC_RELAXED) + enable_counted(probe);
	ret->missed = __atomic_load_n(&counts->missed, __ATOMIC_RELAXED);
	ret->trapped = __atomic_load_n(&counts->trapped, __ATOMIC_RELAXED);
	engine_hold_objects(describe, &description);
}

int ep_probe_info(const struct ep_probe *probe, struct ep_info *ret)
{
	struct ep_info info = {0};
	struct ep_probe *found;

	if (!probe || !ret)
		return -EP_INVALID;
	if (probe_thread_in_handler())
		return -EP_IN_HANDLER;
	engine_lock();
	found = handles_find(probe);
	if (found)
		read_probe(found, &info);
	engine_unlock();
	return found ? give_info(&info, ret) : -EP_INVALID;
}

static int check(uint64_t address, const struct ep_options *asked, struct ep_info *info)
{
	struct plan_choice choice = {EP_PLAN_REFUSED, 0};
	struct ep_options options;
	struct x86_insn insn;
	int error = options_read(asked, &options);

	if (error)
		return error;
	error = place_check(address, &insn);
	if (!error) {
		x86_insn_text(&insn, info->insn, sizeof(info->insn));
		error = plan_choose(&insn, options.plan, &choice);
	}
	if (!error)
		plan_foresee(&insn, options.plan, &choice);
	if (!error && options_follow(&options))
		error = ways_check(address, &info->ways_out);
	info->plan = error ? EP_PLAN_REFUSED : choice.plan;
	info->reason = error ? -error : choice.reason;
	return error;
}

int ep_available(void)
{
	return host_check(); /* without the lock, which is a system call that may be forbidden */
}

struct question {
	const struct ep_options *options;
	struct ep_info info;
	int error;
};

static void answer(void *data)
{
	struct question *question = data;

	question->error = check(question->info.address, question->options, &question->info);
	place_describe(question->info.address, &question->info);
}

int ep_check(const void *addr, const struct ep_options *options, struct ep_info *ret)
{
	struct question question = {options, {.address = (uint64_t)addr}, 0};
	int size_error;

	if (!ret)
		return -EP_INVALID;
	if (probe_thread_in_handler())
		return -EP_IN_HANDLER;
	engine_lock();
	engine_hold_objects(answer, &question);
	engine_unlock();
	size_error = give_info(&question.info, ret);
	return size_error ? size_error : question.error;
}
