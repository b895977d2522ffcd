/* SPDX-License-Identifier: MIT */
/*
 * Access to the program's memory that may fault. The instruction that touches it is listed in a
 * table together with the place where to go on; a fault there is no more than a failed test.
 */
#ifndef EMUPROBE_EMU_MEMORY_H
#define EMUPROBE_EMU_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/emu.h"

#define EMU_INLINE static inline __attribute__((always_inline))

/*
 * For inline assembly: a fault at label 1 goes on at label 2. The entries are relative, so that
 * the table needs no relocation.
 */
#define EMU_FIXUP                                                                                  \
	".pushsection ep_emu_fixups, \"a\"\n\t"                                                    \
	".balign 4\n\t"                                                                            \
	".long 1b - ., 2b - .\n\t"                                                                 \
	".popsection\n\t"

/* mov does not change flags, so success can be noted before they are saved. */
#define EMU_DEFINE_ACCESS(type)                                                                    \
	EMU_INLINE bool emu_load_##type(uint64_t from, type *ret)                                  \
	{                                                                                          \
		type value;                                                                        \
		uint32_t ok = 0;                                                                   \
                                                                                                   \
		__asm__ volatile("1:\tmov (%[from]), %[value]\n\t"                                 \
				 "movl $1, %[ok]\n"                                                \
				 "2:\n\t" EMU_FIXUP                                                \
				 : [value] "=&r"(value), [ok] "+&r"(ok)                            \
				 : [from] "r"(from)                                                \
				 : "memory");                                                      \
		if (ok)                                                                            \
			*ret = value;                                                              \
		return ok;                                                                         \
	}                                                                                          \
	EMU_INLINE bool emu_store_##type(uint64_t to, type value)                                  \
	{                                                                                          \
		uint32_t ok = 0;                                                                   \
                                                                                                   \
		__asm__ volatile("1:\tmov %[value], (%[to])\n\t"                                   \
				 "movl $1, %[ok]\n"                                                \
				 "2:\n\t" EMU_FIXUP                                                \
				 : [ok] "+&r"(ok)                                                  \
				 : [to] "r"(to), [value] "r"(value)                                \
				 : "memory");                                                      \
		return ok;                                                                         \
	}
EMU_DEFINE_ACCESS(uint8_t)
EMU_DEFINE_ACCESS(uint16_t)
EMU_DEFINE_ACCESS(uint32_t)
EMU_DEFINE_ACCESS(uint64_t)

#endif
