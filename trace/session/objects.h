/* SPDX-License-Identifier: MIT */
/* Of which files a process has code where, and since when: for addresses in its events. */
#ifndef EMUPROBE_TRACE_SESSION_OBJECTS_H
#define EMUPROBE_TRACE_SESSION_OBJECTS_H

#include "trace/base/arena.h"
#include "trace/session/session.h"

#define TRACE_OBJECT_PATH 448

/* In a heap. */
struct trace_object {
	uint64_t before; /* the one that was published before it; 0: it is the first */
	uint64_t number; /* in the list, from 1 on */
	uint64_t time;	 /* of the session's clock: so it is since then */
	uint64_t start, end;
	uint64_t offset; /* of start, in the file */
	uint64_t unused[2];
	char path[TRACE_OBJECT_PATH]; /* "": nothing is there any more */
};

/**
 * Publish what @process, which is this one, has mapped in [@start, @end) of files, as code; or that
 * nothing is there any more. Where /proc cannot be read, or there is no memory, that much is missing.
 * Context:  one thread at a time.
 */
void trace_objects_loaded(const struct trace_session *session, struct trace_process *process,
			  uint64_t start, uint64_t end);
void trace_objects_unloaded(const struct trace_session *session, struct trace_process *process,
			    uint64_t start, uint64_t end);

/* One of them, as the reader has copied it. */
struct trace_known_object {
	struct trace_object object;
	uint64_t at;			   /* in the heap */
	struct trace_known_object *before; /* NULL: none */
	struct trace_known_object *next;   /* of its bucket */
	void *file;			   /* the reader's own; NULL: not looked at yet */
};

#define TRACE_OBJECT_BUCKETS 1024

struct trace_known_objects {
	struct trace_arena *arena;
	struct trace_known_object *buckets[TRACE_OBJECT_BUCKETS];
};

/**
 * The last that @process has published, with all before it; believing nothing. What children of a fork
 * share is copied once.
 *
 * @return   0, -EP_INVALID (nonsense) or -EP_NO_MEMORY; @ret NULL: it has published nothing.
 */
int trace_objects_read(struct trace_known_objects *known, const struct trace_session *session,
		       const struct trace_process *process, struct trace_known_object **ret);

/** What was at @address at @time, of @last and those before it; NULL: nothing that is known. */
struct trace_known_object *trace_objects_find(struct trace_known_object *last, uint64_t address,
					      uint64_t time);

#endif
