/* SPDX-License-Identifier: MIT */
/* The assembly code that a guarded system call is led to. */
#ifndef EMUPROBE_PROBE_GUARD_ENTRY_H
#define EMUPROBE_PROBE_GUARD_ENTRY_H

#include <stdint.h>

/* Labels of entry.S in ascending order; guard_view() tells apart what lies between them. */
void guard_enter(void);
extern const uint8_t guard_lowered[], guard_pushed[], guard_saved[], guard_waited[], guard_pass[],
	guard_pass_moved[], guard_pass_jump[], guard_done[], guard_done_moved[], guard_done_jump[],
	guard_leave[], guard_left[], guard_clone[], guard_entry_end[];

#endif
