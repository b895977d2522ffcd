/* SPDX-License-Identifier: MIT */
/* Memory for what is said about code: zeroed, never freed, as the code itself (G4). */
#ifndef EMUPROBE_FALLBACK_XOL_ARENA_H
#define EMUPROBE_FALLBACK_XOL_ARENA_H

#include <stddef.h>

/**
 * @return   NULL: out of memory. Aligned to 16.
 * Context:  any thread that holds the registry lock.
 */
void *xol_arena_alloc(size_t size);

/* Bytes of address space taken so far. */
size_t xol_arena_reserved(void);

#endif
