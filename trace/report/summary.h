/* SPDX-License-Identifier: MIT */
/*
 * What was hit how often: a table for people, objects for machines. One thread at a time may ask for
 * any of it, since lines are put together in one place.
 */
#ifndef EMUPROBE_TRACE_REPORT_SUMMARY_H
#define EMUPROBE_TRACE_REPORT_SUMMARY_H

#include <stdbool.h>

#include "trace/base/arena.h"
#include "trace/session/session.h"
#include "trace/session/view.h"

/* Where text goes. @write returns 0, or an error that ends the output. */
struct trace_sink {
	int (*write)(void *data, const char *text, size_t size);
	void *data;
};

struct trace_summary_process {
	int pid;
	const struct trace_view *views;
	const struct ep_counts *counts; /* NULL: nothing was armed */
	/* Whose threads' counters to add; NULL: all is in counts. */
	const struct trace_process *process;
	const struct trace_session *session;
	uint32_t count;
	bool known;	   /* all this has been filled in */
	uint32_t revision; /* of the set that the views were read from */
	size_t longest;	   /* trace_reader_longest() of the views */
};

/**
 * The table: the hits of all processes added up, the most hit first. Of many probes, only those
 * that were hit, unless @verbose.
 *
 * @return   0, -EP_NO_MEMORY or what the sink returned.
 * Context:  one thread at a time, of all that call anything here; calls neither the allocator nor
 *           stdio.
 */
int trace_summary_table(const struct trace_summary_process *processes, size_t count, bool verbose,
			struct trace_arena *arena, const struct trace_sink *sink);

/**
 * One JSON object for each probe of each process. None is cut: one that is longer than 64 KiB comes
 * in several parts.
 */
int trace_summary_json(const struct trace_summary_process *processes, size_t count,
		       struct trace_arena *arena, const struct trace_sink *sink);

/** For each probe: place, instruction, plan, reason. */
int trace_summary_explain(const struct trace_summary_process *process,
			  const struct trace_sink *sink);

#endif
