/* SPDX-License-Identifier: MIT */
/*
 * Loads from and stores to the program's memory, which may fault. Each instruction that does so is
 * listed in a table, with the address at which its thread goes on after a fault: the access fails,
 * and the caller is told.
 */
#ifndef EMUPROBE_SYS_MEMORY_H
#define EMUPROBE_SYS_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "include/emuprobe.h"

#define SYS_INLINE static inline __attribute__((always_inline))

/*
 * For inline assembly: a fault at label 1 goes on at label 2. The entries are relative, so that
 * the table needs no relocation. R: a linker that collects what nobody refers to (lld, with
 * --gc-sections) takes __start_ep_fixups for no reference.
 */
#define SYS_FIXUP                                                                                  \
	".pushsection ep_fixups, \"aR\", @progbits\n\t"                                            \
	".balign 4\n\t"                                                                            \
	".long 1b - ., 2b - .\n\t"                                                                 \
	".popsection\n\t"

/* mov does not change flags, so success can be noted before they are saved. */
#define SYS_DEFINE_ACCESS(type)                                                                    \
	SYS_INLINE bool sys_load_##type(uint64_t from, type *ret)                                  \
	{                                                                                          \
		type value;                                                                        \
		uint32_t ok = 0;                                                                   \
                                                                                                   \
		__asm__ volatile("1:\tmov (%[from]), %[value]\n\t"                                 \
				 "movl $1, %[ok]\n"                                                \
				 "2:\n\t" SYS_FIXUP                                                \
				 : [value] "=&r"(value), [ok] "+&r"(ok)                            \
				 : [from] "r"(from)                                                \
				 : "memory");                                                      \
		if (ok)                                                                            \
			*ret = value;                                                              \
		return ok;                                                                         \
	}                                                                                          \
	SYS_INLINE bool sys_store_##type(uint64_t to, type value)                                  \
	{                                                                                          \
		uint32_t ok = 0;                                                                   \
                                                                                                   \
		__asm__ volatile("1:\tmov %[value], (%[to])\n\t"                                   \
				 "movl $1, %[ok]\n"                                                \
				 "2:\n\t" SYS_FIXUP                                                \
				 : [ok] "+&r"(ok)                                                  \
				 : [to] "r"(to), [value] "r"(value)                                \
				 : "memory");                                                      \
		return ok;                                                                         \
	}
SYS_DEFINE_ACCESS(uint8_t)
SYS_DEFINE_ACCESS(uint16_t)
SYS_DEFINE_ACCESS(uint32_t)
SYS_DEFINE_ACCESS(uint64_t)

/**
 * Is @rip an access that may fault? Then a SIGSEGV or SIGBUS there is resumed at the returned
 * address, and whoever tried is told that it failed.
 *
 * @return   0: not ours.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH uint64_t sys_fault_fixup(uint64_t rip);

/**
 * Copies between the program's memory and ours.
 *
 * @return   false: it would fault; how much was copied is not known.
 * Context:  TRAP_PATH.
 */
EP_TRAP_PATH bool sys_read_memory(void *to, uint64_t from, uint64_t size);
EP_TRAP_PATH bool sys_write_memory(uint64_t to, const void *from, uint64_t size);

#endif
