/* SPDX-License-Identifier: MIT */
/* Places of which only the first hit is wanted: they are no sites, and have no plan. */
#ifndef EMUPROBE_PROBE_SITE_COVER_H
#define EMUPROBE_PROBE_SITE_COVER_H

#include <stdbool.h>

#include "include/covering.h"
#include "probe/image/object.h"

/** What to watch in objects from now on. Context: engine lock held. */
void cover_set(const struct ep_cover *covers, size_t count);

/**
 * Watch the places of an object that was loaded; if there are none in it, do nothing. Of places that a
 * site's bytes touch, or where something else stands than is said, it is counted that they are not
 * watched.
 *
 * Context:  engine lock held; no thread executes code of @object, but the caller may be in libc.
 */
void cover_object(const struct objects_object *object);

/** Its code is gone. Context: engine lock held. */
void cover_forget(const struct objects_object *object);

/**
 * Was there an int3 of a place that is watched? Then it is not there any more, and the thread goes on at
 * @address.
 * Context:  TRAP_PATH; three system calls the first time.
 */
EP_TRAP_PATH bool cover_hit(uint64_t address);

/** Does one stand there now? Context: TRAP_PATH. */
EP_TRAP_PATH bool cover_stands(uint64_t address);

/** Put all bytes back, for a core dump. Context: TRAP_PATH. */
EP_TRAP_PATH void cover_restore_text(void);

#endif
