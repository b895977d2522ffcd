/* SPDX-License-Identifier: MIT */
/* Definitions and objects that are loaded later. */
#ifndef EMUPROBE_TRACE_ACTION_FOLLOW_H
#define EMUPROBE_TRACE_ACTION_FOLLOW_H

#include "trace/action/attach.h"

struct trace_follow {
	const struct trace_definitions *definitions;
	struct trace_probes *probes;
	struct trace_arming arming;
	struct ep_counts *counts; /* room for as many as probes has */
	struct trace_arena *arena;
	/* The table of probes has changed: tell who reads it. */
	void (*changed)(void *data);
	void *data;
};

/**
 * From now on place the probes that the definitions mean in each object that is loaded, and remove
 * those of objects that are unloaded.
 * Context:  once; all in @follow lives as long as the process.
 */
void trace_follow_objects(const struct trace_follow *follow);

/** In the child of a fork, whose counts lie elsewhere. */
void trace_follow_move_counts(struct ep_counts *counts);

/** Leave objects that come from now on alone. Context: behind trace_follow_objects(). */
void trace_follow_stop(void);

#endif
