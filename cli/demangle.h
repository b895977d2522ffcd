/* SPDX-License-Identifier: MIT */
/* Names of functions as their programmers have written them, of those that compilers put into symbols. */
#ifndef EMUPROBE_CLI_DEMANGLE_H
#define EMUPROBE_CLI_DEMANGLE_H

#include <stddef.h>

#define DEMANGLE_NAME_MAX   4096u /* bytes of a symbol; what is longer stays as it is */
#define DEMANGLE_MEMORY_MAX (16ul << 20)

/**
 * What a symbol of C++ (Itanium C++ ABI) or Rust (both kinds of its names: rust.h, and "legacy" ones, which are C++
 * ones in form) means. Cut where @ret is too short. The name may be anybody's: three of those that take more than 100 ms or
 * DEMANGLE_MEMORY_MAX bytes stay as they are, and so do all long ones after that. The C++ library reads
 * them, but for Rust's present names: where none is installed, they stay as they are.
 *
 * @return   @ret, or @name: it means nothing else.
 * Context:  a process with one thread. Some microseconds; a child is made, at the first long name.
 */
const char *demangle(const char *name, char *ret, size_t size);

#endif
