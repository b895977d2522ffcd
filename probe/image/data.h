/* SPDX-License-Identifier: MIT */
/* Variables of an object. */
#ifndef EMUPROBE_PROBE_IMAGE_DATA_H
#define EMUPROBE_PROBE_IMAGE_DATA_H

#include "probe/image/object.h"

/**
 * Where the symbol @name of @object is, a variable or a function, exported or not. Its tables are read each
 * time.
 *
 * @ret      0: there is none.
 * @return   0, -EP_NO_MEMORY or -EP_IO.
 * Context:  engine lock held.
 */
int data_find(const struct objects_object *object, const char *name, uint64_t *ret);

/** The address of a file offset that is mapped, for whatever use; 0: none. Context: as above. */
uint64_t data_of_file_offset(const struct objects_object *object, uint64_t offset);

#endif
