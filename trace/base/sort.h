/* SPDX-License-Identifier: MIT */
/* Sorting without libc: the table at the end may be written in a program whose qsort() is probed. */
#ifndef EMUPROBE_TRACE_BASE_SORT_H
#define EMUPROBE_TRACE_BASE_SORT_H

#include <stddef.h>

/*
 * Define `static void name(type *rows, size_t count)`, which sorts by
 * `bool is_before(const type *a, const type *b)`. Shell sort, gaps of Knuth: no memory, and not stable.
 */
#define TRACE_DEFINE_SORT(name, type, is_before)                                                   \
	static void name(type *rows, size_t count)                                                 \
	{                                                                                          \
		size_t gap = 1;                                                                    \
                                                                                                   \
		while (gap < count / 3)                                                            \
			gap = 3 * gap + 1;                                                         \
		for (; gap; gap /= 3)                                                              \
			for (size_t i = gap; i < count; i++) {                                     \
				type row = rows[i];                                                \
				size_t at = i;                                                     \
                                                                                                   \
				for (; at >= gap && is_before(&row, &rows[at - gap]); at -= gap)   \
					rows[at] = rows[at - gap];                                 \
				rows[at] = row;                                                    \
			}                                                                          \
	}

#endif
