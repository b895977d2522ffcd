/* SPDX-License-Identifier: MIT */
/* Pointers that the loader fills in when they are first jumped through, as PLTs do: where they will lead. */
#ifndef EMUPROBE_PROBE_IMAGE_SLOTS_H
#define EMUPROBE_PROBE_IMAGE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#define SLOTS_TARGETS_MAX 8

struct slots_targets {
	uint64_t at[SLOTS_TARGETS_MAX];
	uint32_t count;
};

/**
 * Where may the pointer at @slot lead once it is bound? To one of the functions that any loaded object
 * exports by the name in the slot's relocation: which of them the loader takes, by its order of objects and
 * by versions, is not asked.
 *
 * @return   false: there is no such relocation, or no such function yet; or one of them is indirect, and
 *           its resolver may not be called (resolvers.h); or there are too many.
 * Context:  engine lock held. Reads the functions of all objects, once; then a few system calls.
 */
bool slots_find(uint64_t slot, struct slots_targets *ret);

#endif
