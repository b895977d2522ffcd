/* SPDX-License-Identifier: MIT */
/* Starting under the launcher. */
#ifndef EMUPROBE_PRELOAD_SHARED_H
#define EMUPROBE_PRELOAD_SHARED_H

#include "preload/settings.h"

/** Under the launcher. Does not return where the first program cannot be probed as asked. */
void start_shared(const struct settings *settings, char **envp, struct trace_arena *arena);

#endif
