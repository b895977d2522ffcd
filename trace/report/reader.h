/* SPDX-License-Identifier: MIT */
/*
 * Takes events out of all rings, in the order of time.
 * Context:  TRAP_PATH where marked; one reader for a session, one thread at a time.
 */
#ifndef EMUPROBE_TRACE_REPORT_READER_H
#define EMUPROBE_TRACE_REPORT_READER_H

#include <stdbool.h>

#include "trace/base/arena.h"
#include "trace/clock/clock.h"
#include "trace/report/format.h"
#include "trace/session/session.h"
#include "trace/session/snapshot.h"

/* What the reader knows of a process; its own memory, not the session's. */
struct trace_reader_process {
	const struct trace_view *views; /* NULL: not known yet, its events wait */
	uint32_t count;
	int pid;
	size_t longest; /* bytes of an event's name and place together: trace_reader_longest() */
};

struct trace_reader {
	struct trace_session session;
	struct trace_clock_map map;
	const struct trace_format_writer *writer;
	struct trace_reader_process *processes; /* [layout.process_max] */
	struct trace_cursor *cursors;		/* [layout.ring_max] */
	uint32_t *heap;				/* rings that have events, the oldest on top */
	uint32_t heap_count;
	bool entries;			 /* of calls are expected, as events of their own */
	const struct trace_namer *namer; /* NULL: addresses have no names */
	uint64_t *record;		 /* that is being looked at: TRACE_RECORD_MAX bytes */
	char *scratch;			 /* for one text of it */
	trace_barrier barrier;		 /* NULL: every thread records in the safe variant */
	uint64_t cutoff;   /* of this pass: what is younger is left for the next one */
	uint64_t limit;	   /* no record can be from later than that */
	uint64_t last;	   /* what was written so far is not younger */
	uint64_t nonsense; /* records that cannot be: the program has scribbled on them */
	/* Where rings keep what came last (shared.keep): what is read is a copy. NULL: it is not so. */
	uint64_t **copies;    /* [layout.ring_max] */
	uint64_t overwritten; /* bytes of records that were given up while they were read */
	uint64_t misdated;    /* records with a time that cannot be; they got another */
};

/**
 * @format   JSON, or else text; another writer may be set behind that.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_reader_init(struct trace_reader *reader, const struct trace_session *session,
		      enum trace_format format, struct trace_arena *arena);

/** The most bytes that the names of one of them have. Context: any thread. */
size_t trace_reader_longest(const struct trace_view *views, uint32_t count);

/**
 * Begin a pass, of all events up to now. Younger ones are left for the next pass.
 *
 * @return   Whether there is anything.
 */
EP_TRAP_PATH bool trace_reader_begin(struct trace_reader *reader);

/**
 * Begin a pass over what rings have kept, and what has not been in such a pass before. Their threads go on:
 * of what they write over meanwhile the oldest records are missing.
 *
 * @return   Whether there is anything.
 * Context:  not in a trap; until trace_reader_end_kept() it takes as much memory as the rings.
 */
bool trace_reader_begin_kept(struct trace_reader *reader);
void trace_reader_end_kept(struct trace_reader *reader);

/**
 * Have events of this pass written until @text has no room for another one, or many are. A writer that stretches
 * (JSON) cuts nothing if an empty @text has room for it.
 *
 * @return   Whether there are more.
 */
EP_TRAP_PATH bool trace_reader_next(struct trace_reader *reader, struct trace_text *text);

/** Free the rings of threads that are gone. A system call for each ring. */
EP_TRAP_PATH void trace_reader_reap(struct trace_reader *reader);

/** Bytes of events that no pass has emitted: newer than the last one, or of programs that go on. */
uint64_t trace_reader_left(const struct trace_reader *reader);

/** Events that were dropped so far because a ring was full or there was none. */
EP_TRAP_PATH uint64_t trace_reader_dropped(const struct trace_reader *reader);

#endif
