/* SPDX-License-Identifier: MIT */
/* What the names in places mean. */
#ifndef EMUPROBE_PROBE_API_PLACES_H
#define EMUPROBE_PROBE_API_PLACES_H

#include <stdbool.h>

#include "include/emuprobe.h"
#include "probe/image/object.h"

/** Is @object one of those that @place means? Context: engine lock held. */
bool places_object_matches(const struct objects_object *object, const struct ep_place *place);

/** Does @address lie in @object? NULL: in each. Context: any. */
static inline bool places_is_within(const struct objects_object *object, const void *address)
{
	return !address || ((uint64_t)address >= object->start && (uint64_t)address < object->end);
}

#endif
