/* SPDX-License-Identifier: MIT */
/* Many small functions in a row, for what depends on the number of probes. */
#ifndef EMUPROBE_PERF_MANY_H
#define EMUPROBE_PERF_MANY_H

#define MANY	      100000
#define MANY_DISTANCE 16
#define MANY_INSNS    10		  /* of a function, at least: all begin places to probe */
#define MOST	      (MANY * MANY_INSNS) /* places in all */

#ifndef __ASSEMBLER__
extern const char many_functions[];
#endif

#endif
