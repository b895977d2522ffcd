/* SPDX-License-Identifier: MIT */
/* What is remembered of the calls that a thread has entered and not yet left. */
#ifndef EMUPROBE_PROBE_THREAD_RECORDS_H
#define EMUPROBE_PROBE_THREAD_RECORDS_H

/* For .S files; records.c compares. Offsets in struct records, and in the record below .top. */
#define RECORDS_TOP	      16
#define RECORDS_HOLES	      20
#define RECORDS_SUSPECTS      24
#define RECORDS_LIMIT	      28
#define RECORDS_BELOW	      32808
#define RECORD_SIZE	      144 /* 9 << 4 */
#define RECORD_STACK	      0
#define RECORD_EXPECTED	      8
#define RECORD_STATE	      16
#define RECORD_TOLD	      17
#define RECORD_SITE	      24
#define RECORD_SERIAL	      32
#define RECORD_CALL	      40
#define RECORD_RETURN_ADDRESS 120
#define RECORD_XMM0	      128
#define RECORD_END	      136
#define RECORD_RUNNING	      2
#define RECORD_END_RETURN     0

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/emuprobe.h"
#include "probe/thread/legacy.h"
#include "sys/memory.h"

#define RECORDS_MAX   8192u
#define RECORDS_SLOTS (2 * RECORDS_MAX) /* a power of two */

enum record_state {
	/* Being filled, or its call is just ending: hands off. Those above .top are, too. */
	RECORD_BUSY,
	RECORD_FREE, /* a hole */
		     /* RECORD_RUNNING: the call is */
};

struct probe_site;

/* One call, in the eyes of one probe. */
struct record {
	uint64_t stack;	   /* where its return address lies */
	uint64_t expected; /* what lies there while it runs */
	uint8_t state;	   /* enum record_state */
	bool is_told;	   /* the probe's handlers are: at the entry, and at the end */
	bool is_in_place;  /* its return address is where its caller has put it */
	bool is_chained;   /* it ends with another call, which has gone on in it */
	uint32_t hit; /* which of the thread's: several probes may stand there. 0: of its own */
	struct probe_site *site;
	uint64_t serial;     /* of the probe */
	struct ep_call call; /* not filled where the probe has no handlers */
};

/*
 * A thread's records, in the order of their entry. Only the thread itself changes them, in hits and in
 * signal handlers that interrupt these. Only records_push() moves any, to close up holes; and that is not
 * reached while a handler runs, since what comes to a probe then is passed (probe/site/hit.c).
 */
struct records {
	struct legacy legacy;
	uint32_t top;	   /* all from here on are not in use */
	uint32_t holes;	   /* free ones below */
	uint32_t suspects; /* that may have been left by a jump, or are on a stack that waits */
	uint32_t limit;	   /* of .top: all are looked at, before it becomes higher */
	uint32_t refused;  /* since that was done for the last time */
	uint32_t hits;
	/* Used while all are looked at: number + 1 of the newest at a place on the stack. */
	uint16_t newest[RECORDS_SLOTS];
	/* Higher than all stacks, so that who looks at the one below .top needs not ask if there is one. */
	struct record bottom;
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

/* Which hit of the thread's this is; not 0. TRAP_PATH. */
SYS_INLINE uint32_t records_next_hit(struct records *records)
{
	if (__builtin_expect(!++records->hits, 0))
		records->hits++;
	return records->hits;
}

/**
 * A new record on top, busy; NULL: .limit is reached. Signal handlers come and go between
 * any two instructions, and leave .top as they found it, and what is above it busy.
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
	records->top = (uint32_t)(record - records->list) + 1;
	__asm__ volatile("" : : : "memory");
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

/* Those on top are no holes. TRAP_PATH. */
EP_TRAP_PATH void records_drop_holes(struct records *records);

/** It is not needed any more. Context: TRAP_PATH. */
SYS_INLINE void records_drop(struct records *records, struct record *record)
{
	uint32_t top = records->top;

	if (__builtin_expect(record == &records->list[top - 1] && !records->holes, 1)) {
		record->state = RECORD_BUSY;
		__asm__ volatile("" : : : "memory");
		records->top = top - 1;
		return;
	}
	record->state = RECORD_FREE;
	records->holes++;
	records_drop_holes(records);
}

/** In the child of a fork: the calling thread goes on with the records of its parent. */
void records_follow_fork(void);
#endif

#endif
