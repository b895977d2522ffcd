/* SPDX-License-Identifier: MIT */
/* One function, and many places that call it. */
#ifndef EMUPROBE_PERF_CALL_SITES_H
#define EMUPROBE_PERF_CALL_SITES_H

#define CALL_SITES	    10000
#define CALL_SITES_DISTANCE 16

#ifndef __ASSEMBLER__
extern const char call_sites[]; /* void (void), each CALL_SITES_DISTANCE behind the one before */
extern const char call_sites_callee[];
#endif

#endif
