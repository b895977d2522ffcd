/* SPDX-License-Identifier: MIT */
/* The handlers of every probe that records: what happens in the trap. */
#ifndef EMUPROBE_TRACE_ACTION_RECORD_H
#define EMUPROBE_TRACE_ACTION_RECORD_H

#include "trace/session/session.h"
#include "trace/session/view.h"

/* A probe of this process; the handler's cookie. */
struct trace_probe {
	struct trace_view view;
	uint32_t index;		 /* in the process's table */
	bool is_published;	 /* as it is; publish.h */
	struct ep_probe *handle; /* NULL: refused */
	const void *addr;
	uint16_t *semaphore;  /* says to the program that somebody is there; NULL: none */
	uint32_t stack_depth; /* of stacks that are counted; 0: none */
	bool dumps;	      /* its events have what was kept written */
	uint8_t behind_stack; /* enum trace_stack_then: what is done when it has been counted */
};

/* What to do when the calling thread's ring is full. */
enum trace_full {
	TRACE_FULL_DROP,
	TRACE_FULL_WAIT,  /* for the reader, as long as it makes progress */
	TRACE_FULL_KEEP,  /* what is oldest is given up */
	TRACE_FULL_WRITE, /* have all events written, in this thread: see struct trace_writer */
};

/**
 * Make this process record into @session, as its process entry @process.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  once, before the first hit.
 */
int trace_record_init(const struct trace_session *session, uint32_t process, enum trace_full full);

/** Do events of that name have what was kept written? Context: after trace_record_init(). */
bool trace_record_dumps(const char *event);

/** This process ends by its own will. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_record_note_end(void);

/** Some program asks for latencies at a hit. Context: before that, not in a trap; see trace_run_init(). */
void trace_record_prepare_latency(void);

/* Who writes the events of a session that has no launcher. All TRAP_PATH. */
struct trace_writer {
	/* Write what the rings hold. @reap: and free those of threads that are gone. */
	void (*write)(bool reap);
	/* In the child of a fork: start from zero. */
	void (*follow_fork)(void);
};

/** For TRACE_FULL_WRITE. Context: once, before the first hit. */
void trace_record_set_writer(const struct trace_writer *set);

/**
 * From now on the reader's barrier orders the events of this process, where it has one.
 * Context:  once, when the engine has been started: it must be the first to look at what the
 *           program has registered for.
 */
void trace_record_rely_on_barrier(void);

/**
 * Append one event to the calling thread's ring. An ep_handler.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void trace_record(struct ep_probe *probe, struct ep_regs *regs, void *cookie);

/**
 * At the entry of a call: keep what its end needs of it, in ep_call.words (enum trace_call_word). At
 * its end: append one event, with its values and how it ended. An ep_call_handler each.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH void trace_record_entered(struct ep_probe *probe, struct ep_regs *regs,
				       struct ep_call *call, void *cookie);
EP_TRAP_PATH void trace_record_ended(struct ep_probe *probe, struct ep_regs *regs,
				     struct ep_call *call, void *cookie);

struct trace_run;

/** The same of a hit, or of a call's end, whose program has run. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_record_values(const struct trace_probe *probe, const struct trace_run *run);

/** One hit less of @probe, in the counts of this process. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_record_uncount(const struct trace_probe *probe);

/** In the parent: what the child needs to know of the clock. Context: TRAP_PATH. */
EP_TRAP_PATH void trace_record_before_fork(void);

/**
 * In the child of a fork: take a process entry and rings of its own. Does nothing where that has
 * been done, by a hit that came first, say.
 *
 * @return   The process entry of this process.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH uint32_t trace_record_follow_fork(void);

/**
 * A number that is another one after each fork, which it follows where that has not been done; never 0.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH uint32_t trace_record_epoch(void);

#endif
