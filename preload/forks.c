/* SPDX-License-Identifier: MIT */
/*
 * A child of fork() has its parent's probes, and takes a process entry, rings and counters of its
 * own, before anything of the program runs in it.
 */
#include "preload/forks.h"

#include <pthread.h>

#include "include/counting.h"
#include "trace/action/follow.h"
#include "trace/action/publish.h"
#include "trace/action/record.h"
#include "trace/session/counts.h"
#include "trace/session/objects.h"

#define ROOM_TO_COUNT	(64ul << 10)
#define ROOM_TO_MEASURE (128ul << 10) /* of calls, where it is only counted */

static struct trace_session forked_session;
static struct trace_probes *forked_probes;
static bool forked_session_is_attached; /* threads have no counters in the session */

/* What the first thread will take when it is hit: it may have shut itself in by then. */
void start_make_room(void)
{
	const struct trace_shared *shared = forked_session.shared;
	uint64_t ring = shared->mode == TRACE_MODE_COUNT ? ROOM_TO_MEASURE
							 : forked_session.layout.ring_size;

	trace_session_make_room(&forked_session, ring + ROOM_TO_COUNT);
}

/* Whatever is called here would be counted as the program's: so no function of libc, but in the
   engine, which does not count itself. */
static void after_fork_child(void)
{
	struct trace_process *process;
	struct ep_counts *counts;
	uint64_t size;
	uint32_t index;

	if (!forked_session.shared)
		return;
	index = trace_record_follow_fork();
	process = trace_session_process(&forked_session, index);
	if (!forked_probes)
		return;
	size = forked_probes->room * sizeof(struct ep_counts);
	counts = process && process->counts
			 ? trace_session_at(&forked_session, process->counts, size)
			 : NULL;
	if (counts) {
		ep_move_count_block(counts);
		trace_follow_move_counts(counts);
	}
	if (process && !forked_session_is_attached)
		trace_counts_use(&forked_session, process);
	start_make_room();
}

static void before_fork(void)
{
	if (forked_session.shared)
		trace_record_before_fork();
}

/* Registered behind the engine's own, so run behind it in the child. */
void start_follow_forks(const struct trace_session *session, struct trace_probes *probes)
{
	static bool is_registered;

	forked_session = *session;
	forked_probes = probes;
	if (!is_registered)
		pthread_atfork(before_fork, NULL, after_fork_child);
	is_registered = true;
}

void start_follow_forks_attached(const struct trace_session *session, struct trace_probes *probes)
{
	forked_session_is_attached = true;
	start_follow_forks(session, probes);
}

void start_unfollow_forks(void)
{
	forked_session = (struct trace_session){0};
	forked_probes = NULL;
}

void start_publish_changes(void *data)
{
	struct trace_process *process =
		trace_session_process(&forked_session, trace_record_follow_fork());

	(void)data;
	atomic_fetch_add(&forked_session.shared->lost_probes, forked_probes->lost);
	forked_probes->lost = 0;
	if (process)
		trace_publish_changes(&forked_session, process, forked_probes);
}

void start_say_object(const struct ep_object *object, int loaded, void *data)
{
	struct trace_process *process =
		trace_session_process(&forked_session, trace_record_follow_fork());

	(void)data;
	if (process && loaded)
		trace_objects_loaded(&forked_session, process, (uint64_t)object->start,
				     (uint64_t)object->end);
	else if (process)
		trace_objects_unloaded(&forked_session, process, (uint64_t)object->start,
				       (uint64_t)object->end);
}
