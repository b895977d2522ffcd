/* SPDX-License-Identifier: MIT */
/*
 * What a writer knows of threads: their names, and which of their calls have ended, so that each call finds
 * those that it has made. Events of calls come at their ends, the inner ones first.
 */
#ifndef EMUPROBE_CLI_FORMAT_THREADS_H
#define EMUPROBE_CLI_FORMAT_THREADS_H

#include "cli/format/names.h"
#include "trace/report/event.h"

/* A call that has ended, and of which it is not known yet whether another one has made it. */
struct call {
	uint64_t began;	   /* of the session's clock */
	uint64_t from, to; /* nanoseconds; properly nested in those of other calls of the thread */
	void *data;	   /* the writer's */
	uint32_t name;	   /* likewise */
};

struct thread {
	uint64_t key; /* process's index and thread's number */
	int pid, tid;
	bool is_main;		/* of its process */
	bool is_new;		/* this is its first event */
	bool is_renamed;	/* since its last event, or new */
	bool is_of_new_process; /* it is the first event of this process number */
	char comm[TRACE_COMM_SIZE + 1];
	struct call *calls; /* in the order of their ends */
	size_t count, room;
	uint64_t forgotten; /* calls before this time are; 0: none */
};

struct threads {
	struct thread **list; /* by the numbers of their keys */
	size_t count, room;
	struct names keys;
	struct names processes; /* by their numbers */
	struct thread *last;	/* the one of the event before */
	size_t calls_max;	/* of a thread; the older half of them is forgotten then */
	void (*forget)(void *data, struct call *call); /* NULL, or told of each of these */
	void *data;
	uint64_t torn; /* calls that have made some that were forgotten */
};

/** The thread of @event. @return NULL: there is no memory. */
struct thread *threads_of(struct threads *threads, const struct trace_event *event);

/* A call that has just ended. */
struct ended {
	struct call call;
	struct call *made; /* the calls that it has made itself, in their order */
	size_t made_count;
};

/** Where the call of @event stands among the others of its thread: it is timed (trace_event.is_timed). */
void threads_end(struct threads *threads, struct thread *thread, const struct trace_event *event,
		 struct ended *ret);

/** Put it in place of those that it has made. @return false: there is no memory. */
bool threads_add(struct threads *threads, struct thread *thread, const struct ended *ended);

/** In the end: each call that no other one has made. */
void threads_each(struct threads *threads, void (*each)(void *data, struct call *call), void *data);

void threads_deinit(struct threads *threads);

#endif
