/* SPDX-License-Identifier: MIT */
/*
 * The table of accesses that may fault, and copies for others on the trap path.
 *
 *   emulator:  1: mov (%rdi), %rax   -- fault -->  SIGSEGV handler: sys_fault_fixup(rip)
 *              2: ...                <-------------  rip = 2, registers as they were
 *
 * The table is searched from front to end: it has some hundred entries, and a fault costs a
 * microsecond before it gets here.
 */
#include "sys/memory.h"

#include <stddef.h>

struct fixup {
	int32_t access, resume; /* relative to themselves */
};

extern const struct fixup __start_ep_fixups[] __attribute__((visibility("hidden")));
extern const struct fixup __stop_ep_fixups[] __attribute__((visibility("hidden")));

SYS_INLINE uint64_t address_of(const int32_t *relative)
{
	return (uint64_t)relative + (uint64_t)(int64_t)*relative;
}

EP_TRAP_PATH uint64_t sys_fault_fixup(uint64_t rip)
{
	for (const struct fixup *f = __start_ep_fixups; f < __stop_ep_fixups; f++)
		if (address_of(&f->access) == rip)
			return address_of(&f->resume);
	return 0;
}

/* DF is the program's own when a detour calls: cleared by the ABI, and by the kernel in a signal.
 */
SYS_INLINE bool copy(uint64_t to, uint64_t from, uint64_t size)
{
	uint32_t ok = 0;

	__asm__ volatile("1:\trep movsb\n\t"
			 "movl $1, %[ok]\n"
			 "2:\n\t" SYS_FIXUP
			 : [ok] "+&r"(ok), "+D"(to), "+S"(from), "+c"(size)
			 :
			 : "memory");
	return ok;
}

/* Callers' buffers need not be aligned. */
typedef uint64_t __attribute__((aligned(1))) unaligned_u64;

/* 8 to 16 bytes, as of an instruction: the first eight and the last; rep movsb takes long to begin. */
EP_TRAP_PATH bool sys_read_memory(void *to, uint64_t from, uint64_t size)
{
	uint64_t first, last;

	if (size < sizeof(first) || size > 2 * sizeof(first))
		return copy((uint64_t)to, from, size);
	if (!sys_load_uint64_t(from, &first) ||
	    !sys_load_uint64_t(from + size - sizeof(last), &last))
		return false;
	*(unaligned_u64 *)to = first;
	*(unaligned_u64 *)((uint64_t)to + size - sizeof(last)) = last;
	return true;
}

EP_TRAP_PATH bool sys_write_memory(uint64_t to, const void *from, uint64_t size)
{
	if (size == sizeof(uint64_t))
		return sys_store_uint64_t(to, *(const unaligned_u64 *)from);
	return copy(to, (uint64_t)from, size);
}
