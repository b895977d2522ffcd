/* SPDX-License-Identifier: MIT */
/* Notices what the loader does: dlopen, dlclose, dlmopen. */
#ifndef EMUPROBE_PROBE_ENGINE_LOADER_H
#define EMUPROBE_PROBE_ENGINE_LOADER_H

#include "include/emuprobe.h"

/**
 * From now on what is unloaded is forgotten, and watchers are told of every load and unload.
 *
 * @return   0 or -EP_NO_MEMORY. 0, too, where the loader has no hook: nothing is watched then.
 * Context:  engine lock held; once.
 */
int loader_watch(void);

/**
 * Tell @handler of every load and unload. Returns 0, -EP_UNSUPPORTED or -EP_NO_MEMORY. Lock held.
 */
int loader_add(ep_object_handler handler, void *data);

/** Stop telling @handler. Returns 0, or -EP_INVALID: it was never added. Lock held. */
int loader_remove(ep_object_handler handler, void *data);

#endif
