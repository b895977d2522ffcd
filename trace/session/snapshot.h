/* SPDX-License-Identifier: MIT */
/* How far each ring is filled, and up to which time nothing will be added. */
#ifndef EMUPROBE_TRACE_SESSION_SNAPSHOT_H
#define EMUPROBE_TRACE_SESSION_SNAPSHOT_H

#include "trace/clock/clock.h"
#include "trace/session/session.h"

struct trace_cursor {
	uint64_t tail, head;	/* positions in the ring, of this pass */
	uint64_t time;		/* of the record at tail */
	uint64_t word;		/* what stood in the ring's head */
	_Atomic uint64_t *data; /* the ring's, of this pass; the reader's business */
	bool pending;		/* there was a reservation that is to be revoked */
};

/**
 * Makes each processor that runs a thread of the session pass a memory barrier.
 * @return   false: it does not.
 */
typedef bool (*trace_barrier)(void);

struct trace_snapshot {
	uint64_t count;	 /* rings */
	uint64_t cutoff; /* records that are not in the snapshot are younger */
};

/**
 * Note in @cursors what stands in the heads of all rings.
 *
 * @barrier  NULL: all threads record in the safe variant (head.h).
 * @return   false: there is nothing to read, or the barrier failed; @ret is not written.
 * Context:  TRAP_PATH; one or more barriers.
 */
EP_TRAP_PATH bool trace_snapshot_take(const struct trace_session *session, enum trace_clock clock,
				      trace_barrier barrier, struct trace_cursor *cursors,
				      struct trace_snapshot *ret);

#endif
