/* SPDX-License-Identifier: MIT */
/*
 * Has a thread got our static TLS? A thread that libc has not made, or whose thread area is
 * unmapped already, has not: below its thread pointer lie other data, or nothing.
 */
#ifndef EMUPROBE_PROBE_THREAD_AREA_H
#define EMUPROBE_PROBE_THREAD_AREA_H

#include <stdbool.h>
#include <stdint.h>

#include "fallback-xol/detour.h"
#include "include/emuprobe.h"
#include "sys/memory.h"

/*
 * Is XOL_THREAD_MARK in each thread that libc has made. A thread that was made without libc may
 * have a thread area with other data below it, or none, and a thread that ends may have unmapped
 * its own. So the rest of our static TLS is read only where the mark is found.
 */
extern __thread uint64_t probe_thread_mark;

struct probe_thread;
struct records;

/* What code that follows calls by itself needs of the thread, when it has all of it. */
struct probe_thread_here {
	uint64_t mark; /* XOL_THREAD_MARK: the rest is there */
	struct records *records;
	struct probe_thread *thread;
};

extern __thread struct probe_thread_here probe_thread_here;

/** Has the calling thread got our static TLS? Context: TRAP_PATH. */
SYS_INLINE bool probe_thread_has_area(void)
{
	uint64_t mark;

	__asm__("movq probe_thread_mark@gottpoff(%%rip), %[mark]\n"
		"1:\tmovq %%fs:(%[mark]), %[mark]\n"
		"2:\n\t" SYS_FIXUP
		: [mark] "=r"(mark));
	if (__builtin_expect(mark != XOL_THREAD_MARK, 0))
		return false;
	__asm__ volatile("" : : : "memory"); /* no load of the rest may be moved up */
	return true;
}

/** Where the mark is, from the thread pointer. Context: TRAP_PATH. */
SYS_INLINE int32_t probe_thread_mark_offset(void)
{
	int64_t offset;

	__asm__("movq probe_thread_mark@gottpoff(%%rip), %0" : "=r"(offset));
	return (int32_t)offset;
}

#endif
