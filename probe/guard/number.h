/* SPDX-License-Identifier: MIT */
/* Where a system call's number comes from: may it be one that has to be guarded? */
#ifndef EMUPROBE_PROBE_GUARD_NUMBER_H
#define EMUPROBE_PROBE_GUARD_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "fallback-xol/guarded.h"
#include "probe/image/objects.h"

/** [XOL_GUARD_NUMBERS], by a call's number: 1 if it must be guarded. Copies of calls look at it. */
const uint8_t *guard_numbers(void);

enum guard_number {
	GUARD_NUMBER_OTHER,  /* it is another one, or these bytes are no instruction */
	GUARD_NUMBER_LIKELY, /* it may be, if an instruction begins here at all */
	GUARD_NUMBER_PROVEN, /* it may be, and one does */
	GUARD_NUMBER_RETURN, /* likewise, and it is rt_sigreturn(): nothing need stand behind it */
};

/**
 * Look at the bytes of a `syscall` @at, in the segment of @object that begins at @start.
 *
 * Context:  engine lock held; reads @object's functions where the number is not in sight.
 */
enum guard_number guard_number(const uint8_t *at, const uint8_t *start,
			       struct objects_object *object, bool is_libc);

#endif
