/* SPDX-License-Identifier: MIT */
/*
 * A misspelt name in EMUPROBE_MASK_CPU would make a test pass that has tested nothing. Whoever reads
 * the user's settings must say so, and is not allowed to look into x86/: this passes it on.
 */
#include "trace/clock/processor.h"

#include "x86/cpu.h"

const char *trace_processor_unknown(void)
{
	return x86_cpu_unknown();
}
