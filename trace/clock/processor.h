/* SPDX-License-Identifier: MIT */
/* Checks EMUPROBE_MASK_CPU, for rooms that cannot see x86/cpu.h. */
#ifndef EMUPROBE_TRACE_CLOCK_PROCESSOR_H
#define EMUPROBE_TRACE_CLOCK_PROCESSOR_H

/** What EMUPROBE_MASK_CPU has that is no feature's name, up to the end; NULL: nothing. */
const char *trace_processor_unknown(void);

#endif
