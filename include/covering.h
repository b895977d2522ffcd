/* SPDX-License-Identifier: MIT */
/*
 * Which places of an object are reached at all, for what is built on the engine in this repository. An
 * int3 stands at each; the first thread that comes there says so, puts the byte back that was there, and
 * goes on: no place costs anything twice. Not installed, and no promise to anybody.
 */
#ifndef EMUPROBE_INCLUDE_COVERING_H
#define EMUPROBE_INCLUDE_COVERING_H

#include "include/emuprobe.h"

#define EP_COVERS_MAX 256 /* objects, for each time that they are loaded */

/* Places of one file. All of it stays in use. */
struct ep_cover {
	uint64_t device, inode;	 /* of the file, as stat(2) has them */
	const uint32_t *offsets; /* in the file, ascending; an instruction begins at each */
	const uint8_t *bytes;	 /* what stands there */
	uint8_t *hits; /* set to 1 when it is reached; those that are set already are left alone */
	uint32_t count;
	uint64_t *unarmed; /* counts the places that could not be watched; may be shared */
};

/**
 * Watch the places of @covers in whatever is loaded, now and later. Nothing else may be probed in these
 * objects from now on.
 *
 * @return   0 or what ep_probe_create() says when the engine cannot start.
 * Context:  once, in the only thread of the process.
 */
int ep_cover(const struct ep_cover *covers, size_t count);

#endif
