/* SPDX-License-Identifier: MIT */
/* Is a thread where it is in nobody's way? */
#ifndef EMUPROBE_ATTACH_PLACE_H
#define EMUPROBE_ATTACH_PLACE_H

#include "attach/tracee.h"

/** Is thread @tid waiting in the kernel for something, as far as can be seen without stopping it? */
bool place_is_waiting(int pid, int tid);

/** May @tracee, which is stopped, be borrowed to create a thread? */
bool place_is_safe(const struct tracee *tracee);

#endif
