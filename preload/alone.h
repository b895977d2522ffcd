/* SPDX-License-Identifier: MIT */
/* Starting without a launcher. */
#ifndef EMUPROBE_PRELOAD_ALONE_H
#define EMUPROBE_PRELOAD_ALONE_H

#include "preload/settings.h"

/** On its own. Complains on standard error, then lets the program run. */
void start_private(const struct settings *settings, char **envp, struct trace_arena *arena);

#endif
