/* SPDX-License-Identifier: MIT */
/*
 * A thread reads the clock before its record can be seen, and may be held up in between for as long
 * as the scheduler likes: whoever merges rings by time must know when nothing older can appear any
 * more. Waiting for threads is out of the question, since they may be stopped, or dead.
 *
 *	now = clock
 *	barrier		each thread has reserved, visibly, or will read the clock later than now
 *	read all heads	not pending: all its records up to now can be seen
 *			pending: revoke
 *	barrier		a cmpxchg that had read the word before that is through
 *	read those again	the record is there, or its thread will begin again, later than now
 *
 * Without locked instructions a thread's cmpxchg may write over the revocation: then its record is
 * published, and the second reading sees it. One that fails writes back what it found, and may so
 * undo a revocation; which is then tried again. In the safe variant the heads are read behind the
 * clock, and a revocation is final at once.
 *
 * The reader believes nothing: what a program scribbles there costs it some tries.
 */
#include "trace/session/snapshot.h"

#include "trace/session/head.h"

#define REVOKE_TRIES 16

EP_TRAP_PATH static bool pass_barrier(trace_barrier barrier)
{
	/* rdtsc waits for nothing, and what is read afterwards might be read before it. */
	__asm__ volatile("mfence; lfence" : : : "memory");
	return !barrier || barrier();
}

EP_TRAP_PATH static bool read_heads(const struct trace_session *session,
				    struct trace_cursor *cursors, uint64_t count, bool *ret_pending)
{
	bool any = false;

	*ret_pending = false;
	for (uint32_t i = 0; i < count; i++) {
		struct trace_cursor *cursor = &cursors[i];

		cursor->word = atomic_load(&trace_session_ring(session, i)->head);
		cursor->pending = cursor->word & TRACE_HEAD_PENDING;
		*ret_pending |= cursor->pending;
		any |= trace_head_distance(cursor->tail, cursor->word) != 0;
	}
	return any;
}

EP_TRAP_PATH static void revoke(const struct trace_session *session,
				const struct trace_cursor *cursors, uint64_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (cursors[i].pending)
			trace_head_revoke(&trace_session_ring(session, i)->head, cursors[i].word);
}

/* Are there reservations that have come back? */
EP_TRAP_PATH static bool read_again(const struct trace_session *session,
				    struct trace_cursor *cursors, uint64_t count)
{
	bool ret = false;

	for (uint32_t i = 0; i < count; i++) {
		struct trace_cursor *cursor = &cursors[i];
		uint64_t before = cursor->word;

		if (!cursor->pending)
			continue;
		cursor->word = atomic_load(&trace_session_ring(session, i)->head);
		cursor->pending = cursor->word == before;
		ret |= cursor->pending;
	}
	return ret;
}

EP_TRAP_PATH static bool settle(const struct trace_session *session, trace_barrier barrier,
				struct trace_cursor *cursors, uint64_t count)
{
	for (int tries = 0; tries < REVOKE_TRIES; tries++) {
		revoke(session, cursors, count);
		if (!pass_barrier(barrier))
			return false;
		if (!read_again(session, cursors, count))
			break;
	}
	return true;
}

EP_TRAP_PATH bool trace_snapshot_take(const struct trace_session *session, enum trace_clock clock,
				      trace_barrier barrier, struct trace_cursor *cursors,
				      struct trace_snapshot *ret)
{
	uint32_t cpu;
	uint64_t now = trace_clock_read(clock, &cpu), count;
	bool pending;

	if (!pass_barrier(barrier))
		return false;
	count = trace_session_ring_count(session); /* a ring is counted before it is used */
	/* If there is nothing to write, no reservation is revoked. */
	if (!read_heads(session, cursors, count, &pending))
		return false;
	if (pending && !settle(session, barrier, cursors, count))
		return false;
	*ret = (struct trace_snapshot){count, now};
	return true;
}
