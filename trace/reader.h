/* SPDX-License-Identifier: MIT */
/*
 * Takes events out of all rings, in the order of time.
 * Context:  TRAP_PATH where marked; one reader for a session, one thread at a time.
 */
#ifndef EMUPROBE_TRACE_READER_H
#define EMUPROBE_TRACE_READER_H

#include <stdbool.h>

#include "trace/arena.h"
#include "trace/clock.h"
#include "trace/format.h"
#include "trace/session.h"

/* What the reader knows of a process; its own memory, not the session's. */
struct trace_reader_process {
	const struct trace_view *views; /* NULL: not known yet, its events wait */
	uint32_t count;
	int pid;
};

struct trace_cursor {
	uint64_t tail, head; /* of this pass */
	uint64_t time;	     /* of the record at tail */
};

struct trace_reader {
	struct trace_session session;
	struct trace_clock_map map;
	enum trace_format format;
	struct trace_reader_process *processes; /* [layout.process_max] */
	struct trace_cursor *cursors;		/* [layout.ring_max] */
	uint32_t *heap;				/* rings that have events, the oldest on top */
	uint32_t heap_count;
	uint64_t cutoff, next_cutoff;
	uint64_t nonsense; /* records that cannot be: the program has scribbled on them */
};

/** @return 0 or -EP_NO_MEMORY. Context: any thread. */
int trace_reader_init(struct trace_reader *reader, const struct trace_session *session,
		      enum trace_format format, struct trace_arena *arena);

/**
 * Begin a pass: see what there is. Events younger than the previous pass are left for the next
 * one, since older ones may still be on their way; but not if @all, or if a ring is half full.
 *
 * @return   Whether there is anything.
 */
EP_TRAP_PATH bool trace_reader_begin(struct trace_reader *reader, bool all);

/**
 * Format events of this pass until @text has no room for another one.
 *
 * @return   Whether there are more.
 */
EP_TRAP_PATH bool trace_reader_next(struct trace_reader *reader, struct trace_text *text);

/** Free the rings of threads that are gone. A system call for each ring. */
EP_TRAP_PATH void trace_reader_reap(struct trace_reader *reader);

/** Events that were dropped so far because a ring was full or there was none. */
EP_TRAP_PATH uint64_t trace_reader_dropped(const struct trace_reader *reader);

#endif
