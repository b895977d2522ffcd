/* SPDX-License-Identifier: MIT */
/*
 * A session without a launcher: the process writes its own events, in the thread that fills a ring,
 * and its own summary, at exit.
 */
#ifndef EMUPROBE_TRACE_REPORT_PRIVATE_H
#define EMUPROBE_TRACE_REPORT_PRIVATE_H

#include "trace/action/attach.h"
#include "trace/session/session.h"

struct trace_private_options {
	const char *output; /* absolute path of a file to append to; NULL: standard error */
	enum trace_format format;
	bool quiet;	  /* no summary */
	bool verbose;	  /* every probe in the summary */
	bool times_calls; /* how long they took is in the summary */
};

/**
 * @return   0 or -EP_NO_MEMORY.
 * Context:  once, before the first hit.
 */
int trace_private_init(const struct trace_session *session, const struct trace_probes *probes,
		       struct ep_counts *counts, const struct trace_private_options *options,
		       struct trace_arena *arena);

/** A message on standard error, which may raise no signal. Context: thread context, at any time. */
void trace_private_say(const char *text, size_t size);

/**
 * Can the output be opened? A FIFO that has no reader yet counts as one that can.
 *
 * @return   0 or a negative errno.
 * Context:  behind trace_private_init().
 */
int trace_private_check_output(void);

/** The table of probes has changed. Context: one thread at a time. */
void trace_private_look_again(void);

/** Writes the rings of this process, in the thread that asks for it. */
extern const struct trace_writer trace_private_writer;

/**
 * The program begins to exit: it may close standard error on the way (coreutils do), so hold on to
 * it from now on.
 */
void trace_private_keep_output(void);

/** Write what the rings hold, unless in a child that shares this memory (vfork). */
void trace_private_write_before_exec(void);

/**
 * Write events and summary, for the last time. Does nothing in a child that shares this memory
 * (vfork), nor the second time.
 * Context:  a probe handler at the program's end; no hit counts from here on.
 */
void trace_private_finish(void);

#endif
