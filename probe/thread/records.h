/* SPDX-License-Identifier: MIT */
/* What is remembered of the calls that a thread has entered and not yet left. */
#ifndef EMUPROBE_PROBE_THREAD_RECORDS_H
#define EMUPROBE_PROBE_THREAD_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"
#include "sys/memory.h"

#define RECORDS_MAX   8192u
#define RECORDS_SLOTS (2 * RECORDS_MAX) /* a power of two */

enum record_state {
	RECORD_FREE,
	RECORD_BUSY,	/* being filled, or its call is just ending: hands off */
	RECORD_RUNNING, /* the call is */
};

struct probe_site;

/* One call, in the eyes of one probe. */
struct record {
	uint64_t stack;	   /* where its return address lies */
	uint64_t expected; /* what lies there while it runs */
	struct probe_site *site;
	struct ep_probe *probe;
	uint64_t serial;  /* of the probe */
	uint64_t hit;	  /* which of the thread's: several probes may stand there */
	uint16_t state;	  /* enum record_state */
	bool is_in_place; /* its return address is where its caller has put it */
	bool is_chained;  /* it ends with another call, which has gone on in it */
	struct ep_call call;
};

/*
 * A thread's records, in the order of their entry. Only the thread itself changes them, in hits and in
 * signal handlers that interrupt these. Only records_push() moves any, to close up holes; and that is not
 * reached while a handler runs, since what comes to a probe then is passed (probe/site/hit.c).
 */
struct records {
	_Atomic uint32_t owner;
	uint32_t top;	   /* all from here on are free */
	uint32_t holes;	   /* free ones below */
	uint32_t suspects; /* that may have been left by a jump, or are on a stack that waits */
	uint32_t limit;	   /* of .top: all are looked at, before it becomes higher */
	uint32_t refused;  /* since that was done for the last time */
	uint64_t hits;
	struct records *next;
	/* Used while all are looked at: number + 1 of the newest at a place on the stack. */
	uint16_t newest[RECORDS_SLOTS];
	struct record list[RECORDS_MAX];
};

extern __thread struct records *records_known; /* of the thread; NULL: none yet */

/**
 * Those of the calling thread.
 *
 * @return   NULL: it has none yet.
 * Context:  TRAP_PATH; a thread with static TLS of ours (probe_thread_self()).
 */
SYS_INLINE struct records *records_if_any(void)
{
	return records_known;
}

/** The same, made at first use: NULL: no memory. A system call then. */
EP_TRAP_PATH struct records *records_own(void);

/* Close up the holes. TRAP_PATH. */
EP_TRAP_PATH void records_close_up(struct records *records);

#define RECORDS_HOLES_MAX 64u /* and as many as are in use, but for when .limit is reached */
#define RECORDS_LIMIT_MIN 1024u

/**
 * A new record on top, busy; NULL: .limit is reached. Signal handlers come and go between
 * any two instructions, and leave .top as they found it.
 * Context:  TRAP_PATH.
 */
SYS_INLINE struct record *records_push(struct records *records)
{
	struct record *record;

	if (__builtin_expect(records->holes > RECORDS_HOLES_MAX, 0) &&
	    (records->holes > records->top / 2 || records->top >= records->limit))
		records_close_up(records);
	if (__builtin_expect(records->top >= records->limit, 0))
		return NULL;
	record = &records->list[records->top];
	record->state = RECORD_BUSY;
	__asm__ volatile("" : : : "memory");
	records->top = (uint32_t)(record - records->list) + 1;
	__asm__ volatile("" : : : "memory");
	record->state = RECORD_BUSY; /* a handler in between may have used and freed it */
	return record;
}

/**
 * .limit is reached: should all be looked at, whether they are still needed?
 *
 * @return   false: they were, not long ago, and there are RECORDS_MAX.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool records_should_look(struct records *records);

/** All have been looked at. Context: TRAP_PATH. */
EP_TRAP_PATH void records_have_looked(struct records *records);

/** It is not needed any more. Context: TRAP_PATH. */
SYS_INLINE void records_drop(struct records *records, struct record *record)
{
	uint32_t top = records->top;

	record->state = RECORD_FREE;
	if (__builtin_expect(record == &records->list[top - 1] && !records->holes, 1)) {
		records->top = top - 1;
		return;
	}
	records->holes++;
	while (top && records->list[top - 1].state == RECORD_FREE) {
		top--;
		if (records->holes)
			records->holes--;
	}
	records->top = top;
}

/** In the child of a fork: the calling thread goes on with the records of its parent. */
void records_follow_fork(void);

#endif
