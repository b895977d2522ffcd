/* SPDX-License-Identifier: MIT */
/* Names of C++ and Rust as their authors wrote them. */
#ifndef EMUPROBE_CLI_DEMANGLE_H
#define EMUPROBE_CLI_DEMANGLE_H

#include <stddef.h>

/**
 * Demangle all of @names, which may be hostile: at most so much time and memory is spent on each.
 *
 * @ret      For each the name, to be freed, or NULL: it is none that is mangled, or it costs too much,
 *           or there is no libstdc++.
 * Context:  one thread; makes a child for it.
 */
void demangle_all(const char *const *names, size_t count, char **ret);

#endif
