/* SPDX-License-Identifier: MIT */
/* What a thread calls itself: noted when it says so, since asking is a call that a sandbox may forbid. */
#ifndef EMUPROBE_PROBE_THREAD_NAME_H
#define EMUPROBE_PROBE_THREAD_NAME_H

#include <stdint.h>

#include "include/emuprobe.h"

/** The thread is about to take the name at @address. Context: TRAP_PATH. */
EP_TRAP_PATH void probe_thread_note_name(uint64_t address);

#endif
