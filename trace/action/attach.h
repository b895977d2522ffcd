/* SPDX-License-Identifier: MIT */
/* Definitions to probes. */
#ifndef EMUPROBE_TRACE_ACTION_ATTACH_H
#define EMUPROBE_TRACE_ACTION_ATTACH_H

#include "trace/action/record.h"
#include "trace/language/answers.h"
#include "trace/language/limits.h"
#include "trace/language/names.h"

struct trace_probes {
	struct trace_probe *list;
	size_t count, room;
	size_t lost;		  /* found later, and there was no room */
	struct trace_names names; /* in use */
};

/** What the engine has set aside for calls is given back, if none of @definitions is of calls. */
void trace_attach_only_needs(const struct trace_definitions *definitions);

/**
 * Find every place that @definitions mean. Nothing is armed.
 *
 * @skip_missing  Leave out what is not found instead of failing.
 * @error         Which place was not found, and why; may be NULL.
 *
 * @return   0, or what ep_resolve() returned.
 * Context:  any thread.
 */
int trace_attach_resolve(const struct trace_definitions *definitions, bool skip_missing,
			 struct trace_arena *arena, struct trace_probes *ret,
			 struct ep_error_at *error);

/**
 * Look for places that those of @definitions which wait for objects (a '?' behind the place) mean
 * in the object that @within lies in, which was just loaded.
 * Those that were found in it before, and whose probes are gone, get their new addresses; others
 * are added behind, as long as there is room: the list is not moved. The rest is counted as lost.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  one thread at a time.
 */
int trace_attach_resolve_in(const struct trace_definitions *definitions, const void *within,
			    struct trace_arena *arena, struct trace_probes *probes);

/** Fill plans and reasons as they would be. Nothing is armed. */
int trace_attach_check(struct trace_probes *probes, enum ep_plan plan, struct trace_arena *arena);

struct trace_arming {
	enum ep_plan plan;
	/* Compiled for general registers only; NULL: only count. */
	ep_handler handler;
	ep_call_handler entered, ended;	     /* of calls */
	const struct trace_answers *answers; /* of each definition; NULL: nothing is asked */
	const struct trace_limits *limits;   /* likewise; NULL: there are none */
	bool unseen;			     /* nothing of the program runs yet, in any thread */
	bool shared_counts; /* count in memory that outlives the probe, and not for each thread */
};

/** Have their hits and calls recorded. */
void trace_attach_record(struct trace_arming *ret);

/** Have how long their calls take measured; hits are only counted. */
void trace_attach_measure(struct trace_arming *ret);

/**
 * Arm those that are not armed, disabled, with the probe as cookie; fill plans and reasons. A
 * refused one has no handle.
 *
 * @counts   One for each probe: what its threads' counters do not hold.
 * @return   0 or -EP_NO_MEMORY.
 * Context:  any thread.
 */
int trace_attach_arm(struct trace_probes *probes, const struct trace_arming *arming,
		     struct ep_counts *counts, struct trace_arena *arena);

/** From here on hits count. Calls nothing that could be probed. */
void trace_attach_enable(const struct trace_probes *probes);

#endif
