/* SPDX-License-Identifier: MIT */
/* A file that is not loaded, laid out in memory as if it were, and never executed. */
#ifndef EMUPROBE_PROBE_IMAGE_IMAGE_H
#define EMUPROBE_PROBE_IMAGE_IMAGE_H

#include "probe/image/object.h"

/**
 * Read the segments of an x86-64 program or library into memory that can be read only, as an object
 * among those that are loaded. Nothing is relocated, and nothing of it is ever executed.
 *
 * @path        By which its file can be opened again.
 * @shown       What it is called.
 * @is_program  It has no soname.
 *
 * @return   0, -EP_UNSUPPORTED (no such file), -EP_IO or -EP_NO_MEMORY.
 * Context:  engine lock held; in a process in which no objects are watched. As long as it takes to
 *           read the file.
 */
int image_load(int fd, const char *path, const char *shown, bool is_program,
	       struct objects_object **ret);

/** Context: as image_load(). */
void image_unload(struct objects_object *object);

#endif
