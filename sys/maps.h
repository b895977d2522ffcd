/* SPDX-License-Identifier: MIT */
/* Where this process has nothing mapped. */
#ifndef EMUPROBE_SYS_MAPS_H
#define EMUPROBE_SYS_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Addresses that will do: all bytes must lie in [lo, hi). Empty if lo >= hi. */
struct sys_window {
	uint64_t lo, hi;
};

/* All that user space can map, bar the first 64 KiB (vm.mmap_min_addr). */
#define SYS_ANYWHERE ((struct sys_window){0x10000, 0x7ffffffff000})

static inline struct sys_window sys_intersect(struct sys_window a, struct sys_window b)
{
	return (struct sys_window){a.lo > b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
}

/* Enumerates the mappings, ascending, as /proc/self/maps has them. */
struct sys_mapping {
	uint64_t lo, hi;
	enum { SYS_MAPPING_OTHER, SYS_MAPPING_HEAP, SYS_MAPPING_STACK } kind;
	bool readable, writable, executable, shared;
};

/**
 * @return   0, or -EP_UNSUPPORTED: /proc cannot be read.
 * Context:  any thread; 3 to 100 µs.
 */
int sys_maps_each(void (*visit)(const struct sys_mapping *mapping, void *data), void *data);

/**
 * Call @visit for each range of unmapped addresses, ascending. @growth: the heap or the main stack
 * may want to grow into it.
 *
 * @return   0 or -EP_UNSUPPORTED.
 * Context:  any thread.
 */
int sys_maps_each_gap(void (*visit)(struct sys_window gap, bool growth, void *data), void *data);

/**
 * Find unmapped address space of @size bytes inside @window, as near to @near as possible.
 * Another thread may map it before the caller does.
 *
 * @align    Of the result, a power of two, at least a page.
 *
 * @return   0, -EP_OUT_OF_REACH: there is none, or -EP_UNSUPPORTED.
 * Context:  any thread.
 */
int sys_maps_find_gap(struct sys_window window, uint64_t near, size_t size, size_t align,
		      uint64_t *ret);

#endif
