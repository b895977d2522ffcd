/* SPDX-License-Identifier: MIT */
/* Which hits a probe wants: see struct ep_condition. */
#ifndef EMUPROBE_PROBE_SITE_CONDITION_H
#define EMUPROBE_PROBE_SITE_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

/* Those of a probe, its own. */
struct probe_conditions {
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
 * A copy, for free().
 *
 * @return   NULL: no memory.
 * Context:  any thread.
 */
struct probe_conditions *conditions_copy(const struct ep_condition *conditions, size_t count);

/** Is a hit with @regs wanted? Context: TRAP_PATH. */
EP_TRAP_PATH bool conditions_hold(const struct probe_conditions *conditions,
				  const struct ep_regs *regs);

#endif
