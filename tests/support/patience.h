/* SPDX-License-Identifier: MIT */
/* How long to wait until something counts as hung: tests/support/limits.c says how slow things are. */
#ifndef EMUPROBE_TESTS_SUPPORT_PATIENCE_H
#define EMUPROBE_TESTS_SUPPORT_PATIENCE_H

#include <stdlib.h>

/* @seconds, for an idle machine with cheap traps, as seconds here. */
static inline unsigned int patience(unsigned int seconds)
{
	const char *slowness = getenv("EP_SLOWNESS");
	double factor = slowness ? strtod(slowness, NULL) : 1;

	return (unsigned int)((double)seconds * (factor > 1 ? factor : 1) + 0.5);
}

#endif
