/* SPDX-License-Identifier: MIT */
/*
 * What is to be found out of which files, and what was: behind the texts of a session, for all processes
 * together. So a place that one of them has reached costs the next ones nothing.
 */
#ifndef EMUPROBE_TRACE_SESSION_COVER_H
#define EMUPROBE_TRACE_SESSION_COVER_H

#include <stdint.h>

/* Positions are bytes from the beginning of struct trace_cover. */
struct trace_cover_object {
	uint64_t device, inode;
	uint64_t offsets; /* uint32_t[count]: in the file, ascending */
	uint64_t bytes;	  /* uint8_t[count]: what stands there */
	uint64_t hits;	  /* uint8_t[count]: 1: it was reached */
	uint64_t count;
};

struct trace_cover {
	uint64_t size;	  /* of all of it */
	uint64_t unarmed; /* places that could not be watched, of all processes */
	uint64_t count;
	struct trace_cover_object objects[];
};

#endif
