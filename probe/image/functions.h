/* SPDX-License-Identifier: MIT */
/* Which functions an object has. */
#ifndef EMUPROBE_PROBE_IMAGE_FUNCTIONS_H
#define EMUPROBE_PROBE_IMAGE_FUNCTIONS_H

#include "probe/image/object.h"

/**
 * Read symbols and unwind information, once an object.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  engine lock held. Milliseconds for a large object.
 */
int objects_read_functions(struct objects_object *object);

#endif
