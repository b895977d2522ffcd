/* SPDX-License-Identifier: MIT */
/* Where a library has a function, without loading it. */
#ifndef EMUPROBE_PERF_SYMBOL_H
#define EMUPROBE_PERF_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

/** The file offset of the dynamic symbol @name in @path; false: there is none. */
bool symbol_offset(const char *path, const char *name, uint64_t *ret);

#endif
