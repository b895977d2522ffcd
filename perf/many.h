/* SPDX-License-Identifier: MIT */
/* Many small functions in a row, for what depends on the number of probes. */
#ifndef EMUPROBE_PERF_MANY_H
#define EMUPROBE_PERF_MANY_H

#define MANY	      100000
#define MANY_DISTANCE 16

#ifndef __ASSEMBLER__
extern const char many_functions[];
#endif

#endif
