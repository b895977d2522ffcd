/* SPDX-License-Identifier: MIT */
/* Where a program's libraries are, found without running it. */
#ifndef EMUPROBE_CLI_LIBRARIES_H
#define EMUPROBE_CLI_LIBRARIES_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Find a library as the dynamic linker does.
 *
 * @folders  Of the object that needs it, separated by ':'; "$ORIGIN" is @origin.
 * @ret      Its path, of PATH_MAX bytes.
 * @return   false: it is not found.
 * Context:  one thread; reads /etc/ld.so.cache at first.
 */
bool libraries_find(const char *name, const char *folders, const char *origin, char *ret);

#endif
