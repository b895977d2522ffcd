/* SPDX-License-Identifier: MIT */
/* Conditions of hits as machine code: in front of what a detour does, or away from it. */
#ifndef EMUPROBE_FALLBACK_XOL_CONDITION_H
#define EMUPROBE_FALLBACK_XOL_CONDITION_H

#include <stdbool.h>
#include <stddef.h>

#include "include/emuprobe.h"

struct xol_builder;

#define XOL_CONDITIONS_MAX 3 /* a detour has no room for more */

/** Can code be made of all of them? If not, a C function must look. */
bool xol_conditions_fit(const struct ep_condition *conditions, size_t count);

/**
 * Append the comparisons, in a place where RCX is free, and may end up with anything; no flag changes,
 * no memory is touched but the word at the stack pointer, which is the program's RCX.
 *
 * Who comes to the end of what is appended has what is wanted; others go to @leave.
 *
 * @rsp_is   How far the program's stack pointer is above that here.
 */
void xol_build_conditions(struct xol_builder *to, const struct ep_condition *conditions,
			  size_t count, uint64_t leave, int rsp_is);

#endif
