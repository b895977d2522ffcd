/* SPDX-License-Identifier: MIT */
/* Patterns of names, as shells have them. */
#ifndef EMUPROBE_PROBE_IMAGE_GLOB_H
#define EMUPROBE_PROBE_IMAGE_GLOB_H

#include <stdbool.h>

/**
 * Does all of @name match @pattern: '*', '?', sets "[a-z]", "[!a-z]" and "[[:digit:]]", '\' in front of
 * what means itself? Bytes, not characters; a set that is not closed means a '['.
 *
 * Context:  any. The lengths of both, multiplied, at most.
 */
bool glob_matches(const char *pattern, const char *name);

#endif
