/* SPDX-License-Identifier: MIT */
/* Texts in the program's memory, which may not be there. */
#ifndef EMUPROBE_TRACE_ACTION_MATCH_H
#define EMUPROBE_TRACE_ACTION_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

#define TRACE_MATCH_MAX 4096 /* bytes of a text that are looked at */

/**
 * Is the text at @address, up to its zero, what @pattern says?
 *
 * @is_glob    '*', '?', '[a-z]', '[!a-z]' and '\' mean what they do in a shell.
 * @ret_there  Becomes false where some of what had to be looked at cannot be read.
 *
 * Context:  TRAP_PATH. Reads no more than TRACE_MATCH_MAX bytes; takes at most as many steps as that
 *           times the length of the pattern.
 */
EP_TRAP_PATH bool trace_match(uint64_t address, const char *pattern, bool is_glob, bool *ret_there);

#endif
