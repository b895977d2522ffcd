/* SPDX-License-Identifier: MIT */
/* An event that is to be printed. */
#ifndef EMUPROBE_TRACE_REPORT_EVENT_H
#define EMUPROBE_TRACE_REPORT_EVENT_H

#include "trace/base/text.h"
#include "trace/session/session.h"
#include "trace/session/view.h"

/*
 * Names of addresses. @name: of @address in @process at @time, of the session's clock; false: unknown.
 * @is_exact: the address itself is meant; else it is one that is returned to, and the call in front of it
 * is. Who has none gets addresses.
 */
struct trace_namer {
	bool (*name)(void *data, uint32_t process, uint64_t address, bool is_exact, uint64_t time,
		     char *ret, size_t size);
	void *data;
};

struct trace_event {
	const struct trace_view *view;
	uint64_t nanoseconds; /* CLOCK_MONOTONIC */
	uint64_t time;	      /* the same, of the session's clock */
	int pid, tid;
	uint32_t process, cpu;
	enum ep_end end;   /* of a call, or TRACE_END_ENTRY; else 0 */
	bool is_timed;	   /* a call whose beginning is known: */
	uint64_t began;	   /* of the session's clock */
	uint64_t duration; /* nanoseconds */
	char comm[TRACE_COMM_SIZE + 1];
	const uint64_t
		*faults; /* of the record: a bit for each number, where there can be faults */
	const uint64_t *values;		 /* its numbers */
	const uint64_t *bulks;		 /* what is copied, which has been checked */
	char *scratch;			 /* TRACE_BYTES_MAX + 1 bytes */
	const struct trace_namer *namer; /* NULL: none */
};

#endif
