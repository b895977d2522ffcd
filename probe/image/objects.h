/* SPDX-License-Identifier: MIT */
/* What is loaded in this process: objects, their functions, where these start and end. */
#ifndef EMUPROBE_PROBE_IMAGE_OBJECTS_H
#define EMUPROBE_PROBE_IMAGE_OBJECTS_H

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/image/object.h"

/**
 * The objects loaded now, in link-map order.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  engine lock held; pointers live until the next call.
 */
int objects_list(struct objects_object ***ret, size_t *ret_count);

/**
 * Forget that the loader was asked: the next call asks it again. Once for each time that the
 * engine's lock is taken.
 */
void objects_invalidate(void);

/** From now on objects_changes() is called at every load and unload. Context: as objects_list(). */
void objects_watch(void);

/**
 * What was loaded and unloaded since the last call, in all namespaces.
 *
 * @changed  Called for each. What was unloaded is not in memory any more.
 * Context:  engine lock held; in a thread that holds the loader's lock.
 */
void objects_changes(void (*changed)(struct objects_object *object, bool loaded));

/** The object that @address lies in, NULL: none. Context: as objects_list(). */
struct objects_object *objects_find(uint64_t address);

/**
 * An object that is not loaded is one of them until it is removed: image.c.
 *
 * @return   0 or -EP_NO_MEMORY.
 * Context:  engine lock held; no objects are watched.
 */
int objects_add_image(struct objects_object *object);
void objects_remove_image(struct objects_object *object);

/** Changes when an object is loaded or unloaded. */
uint64_t objects_generation(void);

#endif
