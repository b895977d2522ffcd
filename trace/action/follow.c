/* SPDX-License-Identifier: MIT */
/*
 * A definition may mean places in objects that come later, or come back. Probes are only added to
 * the table, never taken out: events and counts refer to them by their index. One whose object is
 * unloaded keeps its entry, and gets it again when the object is back. Its hits are in the
 * session's struct ep_counts from then on, since counters of threads go with their probe.
 */
#include "trace/action/follow.h"

static struct trace_follow own;

void trace_follow_move_counts(struct ep_counts *counts)
{
	own.counts = counts;
}

static bool is_in(const struct trace_probe *probe, const struct ep_object *object)
{
	return probe->addr && probe->addr >= object->start && probe->addr < object->end;
}

/* True: the reader has to know. */
static bool leave(struct trace_probe *probe, struct ep_counts *counts)
{
	struct ep_info info = {.size = sizeof(info)};
	bool ret = probe->view.counter != TRACE_NO_COUNTER;

	if (probe->handle && ep_probe_info(probe->handle, &info) == 0) {
		__atomic_store_n(&counts->hits, info.hits, __ATOMIC_RELAXED);
		__atomic_store_n(&counts->returns, info.returns, __ATOMIC_RELAXED);
	}
	ep_probe_remove(probe->handle);
	probe->handle = NULL;
	probe->addr = NULL;
	probe->view.counter = probe->view.return_counter = TRACE_NO_COUNTER;
	probe->is_published = false;
	return ret;
}

static void on_unloaded(const struct ep_object *object)
{
	bool changed = false;

	for (size_t i = 0; i < own.probes->count; i++)
		if (is_in(&own.probes->list[i], object))
			changed |= leave(&own.probes->list[i], &own.counts[i]);
	if (changed)
		own.changed(own.data);
}

static void on_loaded(const struct ep_object *object)
{
	size_t before = own.probes->count;

	if (trace_attach_resolve_in(own.definitions, object->start, own.arena, own.probes) ||
	    trace_attach_arm(own.probes, &own.arming, own.counts, own.arena))
		return;
	if (own.probes->count > before || own.probes->lost)
		own.changed(own.data);
	trace_attach_enable(own.probes);
}

static void on_object(const struct ep_object *object, int loaded, void *data)
{
	(void)data;
	if (loaded)
		on_loaded(object);
	else
		on_unloaded(object);
}

void trace_follow_objects(const struct trace_follow *follow)
{
	own = *follow;
	own.arming.shared_counts = true;
	ep_watch_objects(on_object, NULL);
}

void trace_follow_stop(void)
{
	ep_unwatch_objects(on_object, NULL);
}
