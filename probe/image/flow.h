/* SPDX-License-Identifier: MIT */
/* What is known of the code around an instruction: extents, entries, direct branches. */
#ifndef EMUPROBE_PROBE_IMAGE_FLOW_H
#define EMUPROBE_PROBE_IMAGE_FLOW_H

#include <stdbool.h>

#include "fallback-xol/jump.h"
#include "probe/image/objects.h"

/* The instructions that a jump would replace. */
struct flow_region {
	struct x86_insn insns[XOL_JUMP_SIZE];
	unsigned int count;
	struct objects_object *object;
	const struct objects_function *function; /* of the first; NULL: not known */
};

/**
 * The region that begins with @insn, if all of it is known code: inside of the extents that
 * symbols and unwind information state, or padding behind them.
 *
 * @return   0, -EP_JUMP_CODE or -EP_NO_MEMORY.
 * Context:  engine lock held.
 */
int flow_region(const struct x86_insn *insn, struct flow_region *ret);

/** The same, where it is known that these instructions are executed one after the other. */
int flow_region_straight(const struct x86_insn *insn, struct flow_region *ret);

/**
 * Are the status flags replaced before anything reads them, on each path that begins at the
 * region's first instruction?
 * Context:  engine lock held.
 */
bool flow_flags_are_dead(const struct flow_region *region);

/** Does a function begin at @address, going by symbols and FDEs? Context: engine lock held. */
bool flow_is_entry(const struct flow_region *region, uint64_t address);

/**
 * The first boundary that the function branches to directly, and not in a part that is seldom
 * executed.
 *
 * @return   Which instruction of the region; 0: none.
 * Context:  engine lock held. Decodes the function if asked for it twice in a row.
 */
unsigned int flow_first_target(const struct flow_region *region);

#endif
