/* SPDX-License-Identifier: MIT */
/* Notices what the loader does: dlopen, dlclose, dlmopen. */
#ifndef EMUPROBE_PROBE_ENGINE_LOADER_H
#define EMUPROBE_PROBE_ENGINE_LOADER_H

/**
 * From now on what is unloaded is forgotten, and watchers are told of every load and unload.
 *
 * @return   0 or -EP_NO_MEMORY. Where the loader tells nobody, nothing is watched.
 * Context:  engine lock held; once.
 */
int loader_watch(void);

#endif
