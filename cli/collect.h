/* SPDX-License-Identifier: MIT */
/* Takes events and counts out of the session, and writes them. */
#ifndef EMUPROBE_CLI_COLLECT_H
#define EMUPROBE_CLI_COLLECT_H

#include "cli/format/formats.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/shown.h"
#include "trace/action/publish.h"
#include "trace/report/reader.h"
#include "trace/report/summary.h"
#include "trace/report/symbols.h"

struct collector {
	const struct options *options;
	struct trace_session session;
	struct trace_reader reader;
	int session_fd;
	struct trace_arena *arena;
	struct trace_arena views; /* what is copied out of the session: see may_copy() */
	struct trace_namer namer;
	struct trace_text text;
	struct shown *shown; /* NULL: events are lines */
	struct output output;
	struct output errors; /* standard error */
	bool is_to_errors;    /* what is written now goes there */
	struct formats formats;
	uint64_t known;	   /* processes that there are */
	uint32_t revision; /* of the session, when processes were looked at */
	uint64_t settled;  /* below this one, the probes of all have been read */
	struct trace_summary_process *processes;
	struct trace_published *published; /* one for each of them */
	uint32_t *sources;		   /* of these, those whose views are not just another's */
	uint64_t source_count;
	bool *is_source;
	bool *unreadable; /* what was published is nonsense: it is not read again */
	uint64_t unreadable_count;
	uint64_t passes;
	uint64_t dumps; /* of what rings have kept, so far */
	uint64_t gone;	/* processes up to this one are not looked at any more */
	bool *is_gone;	/* it has been said */
	int first_pid;	/* whose end the launcher waits for */
	uint64_t named; /* the ring whose thread's name was looked at last */
};

/** @return 0 or the exit status, after a message. */
int collect_init(struct collector *collector, const struct options *options,
		 const struct trace_session *session, int session_fd, struct trace_arena *arena);

/** Write what there is. @last: what is read later is lost. @return Whether there was anything. */
bool collect_pass(struct collector *collector, bool last);

/** Wait for @milliseconds, or until a ring fills up or collect_wake() is called. */
void collect_wait(struct collector *collector, unsigned int milliseconds);

/** Context: signal handlers. */
void collect_wake(struct collector *collector);

/** What was asked of events, as far as it is known by now. */
void collect_answer(struct collector *collector);

/** Write what rings have kept (--ring), and has not been written yet; @why: for a line before it. */
void collect_dump(struct collector *collector, const char *why);

/**
 * Has an event asked for that, or a process that has not said that it ends gone, other than the first one? Then
 * it is done.
 */
void collect_look_for_dumps(struct collector *collector);

/** There will be no events: end the file as its format wants it. */
void collect_give_up(struct collector *collector);

/** The summary, or what --check found. */
void collect_finish(struct collector *collector);

#endif
