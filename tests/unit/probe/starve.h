/* SPDX-License-Identifier: MIT */
/* A processor on which other processes run for ever, for threads that should get next to nothing of it. */
#ifndef EMUPROBE_TESTS_UNIT_PROBE_STARVE_H
#define EMUPROBE_TESTS_UNIT_PROBE_STARVE_H

/** Make a processor busy, until starve_end() or until the calling process ends. */
void starve_begin(void);

/** Let the calling thread run on that processor only, and to have little of that. */
void starve_me(void);

void starve_end(void);

#endif
