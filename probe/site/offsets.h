/* SPDX-License-Identifier: MIT */
/* What counted.S, scratch.S and told.S know of C's structures; offsets.c compares. */
#ifndef EMUPROBE_PROBE_SITE_OFFSETS_H
#define EMUPROBE_PROBE_SITE_OFFSETS_H

#define SITE_ADDRESS	    0
#define SITE_ONLY	    16
#define SITE_ONLY_CALLS	    24
#define SITE_LAST_STUB	    32
#define SITE_COUNTED	    40
#define SITE_PROBE	    48
#define SITE_RETURNS_AT	    56
#define SITE_TURNS_AT	    64
#define SITE_BODY	    72
#define PROBE_STATE	    0
#define PROBE_HANDLE	    16
#define PROBE_HANDLER	    48
#define PROBE_ENTERED	    56
#define PROBE_ENDED	    64
#define PROBE_COOKIE	    72
#define PROBE_SERIAL	    136
#define PROBE_SCRATCH_ONLY  169
#define THREAD_TID	    8
#define THREAD_CALLS	    12
#define THREAD_RUNNING	    16
#define THREAD_RUNNING_RSP  24
#define THREAD_ENGINE_DEPTH 68
#define HERE_RECORDS	    8
#define HERE_THREAD	    16

#endif
