/* SPDX-License-Identifier: MIT */
/* Which hits a probe wants: see struct ep_condition. */
#ifndef EMUPROBE_PROBE_SITE_CONDITION_H
#define EMUPROBE_PROBE_SITE_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

/*
 * Those of a probe, its own. In a list from a variable, since who looks for leaks does not look into the memory that
 * probes lie in.
 */
struct probe_conditions {
	struct probe_conditions *next, **before;
	uint32_t count;
	bool fit; /* a detour can have them */
	struct ep_condition list[EP_CONDITIONS_MAX];
};

/**
 * Are they as the header of the interface wants them?
 * Context:  any thread.
 */
bool conditions_are_sound(const struct ep_condition *conditions, size_t count);

/**
 * A copy, for conditions_free().
 *
 * @return   NULL: no memory.
 * Context:  engine lock held.
 */
struct probe_conditions *conditions_copy(const struct ep_condition *conditions, size_t count);

/** @conditions  NULL: nothing is done. Context: engine lock held. */
void conditions_free(struct probe_conditions *conditions);

/** Is a hit with @regs wanted? Context: TRAP_PATH. */
EP_TRAP_PATH bool conditions_hold(const struct probe_conditions *conditions,
				  const struct ep_regs *regs);

#endif
