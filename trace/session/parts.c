/* SPDX-License-Identifier: MIT */
/*
 * Address space is not free: mlockall() counts, and fills, whatever is mapped, protected against any
 * access or not, and ulimit -v counts it. So a process maps what it uses of a session, and more when
 * it needs more. That may be in a trap, in a program that has closed our descriptor and shut itself in
 * since. So all that a process ever needs are a few ranges of the file, and each grows at its end:
 *
 *	file:    | header | rings ...     | processes ...     | heap 0 ...  | heap 1 ...  | heap 2 ...
 *	memory:  | header | rings |       | processes |                     | heap 1 |
 *	                          ~> mremap()         ~>                             ~>
 *
 * in the place where it would be if everything were mapped, far from all else. What is in between is
 * not reserved: if something else is put there, the part cannot grow any more. To grow needs no
 * descriptor, and every allocator's realloc() makes the same system call.
 *
 * Several threads may want a part to grow at once. The kernel sees to it that one does, since it insists
 * on the old size; the others fail, and look again. Signals are blocked meanwhile: their handlers might
 * not come back, and then nobody would know of the new size.
 *
 * Nobody knows of it either in a child that another thread forks just then:
 *
 *	one thread                       another            its child
 *	mremap(64 KiB -> 128 KiB)
 *	                                 fork()
 *	.mapped = 128 KiB                                   .mapped is 64 KiB, for ever
 *
 * So where nobody comes to say how large it is, the sizes that it may have are tried: the right one is
 * that at which the kernel lets it grow.
 */
#include "trace/session/parts.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "sys/abi.h"
#include "sys/files.h"
#include "sys/locked.h"
#include "sys/mapping.h"
#include "trace/session/shared.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/*
 * Far from all code: the kernel would put mappings right below the libraries, into the 2 GiB where the
 * engine needs room for code.
 */
#define FAR_FROM_CODE 0x200000000000ul
#define BASE_STEP     (1ul << 40)
/*
 * ThreadSanitizer looks at all mappings when it starts, which is after us, and ends the program if one
 * is outside of what it knows: this is inside for all its versions, and below what the kernel uses.
 */
#define FOR_TSAN   0x7e8800000000ul
#define BASES	   8
#define TABLE_STEP SYS_PAGE_SIZE
#define HEAP_STEP  (64ul << 10)
#define TRIES	   32
#define PATIENCE   8	/* tries: then who has let it grow would have said so */
#define SIZES_MAX  4096 /* that are tried */
#define BIT(sig)   (1ul << ((sig)-1))

extern void __tsan_init(void) __attribute__((weak));

static bool map(uint64_t base, uint64_t offset, uint64_t size, int fd)
{
	int flags = (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_NORESERVE;
	long at = sys_mmap(base + offset, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE,
			   fd, fd < 0 ? 0 : offset);

	if (sys_failed(at))
		return false;
	if ((uint64_t)at != base + offset) { /* before Linux 4.17 it is a hint */
		sys_munmap((uint64_t)at, size);
		return false;
	}
	sys_madvise((uint64_t)at, size, MADV_DONTDUMP);
	return true;
}

static bool map_part(uint64_t base, struct trace_part *part, int fd)
{
	uint64_t size = part->size < part->step ? part->size : part->step;

	part->mapped = map(base, part->start, size, fd) ? size : 0;
	return part->mapped;
}

static bool map_tables(uint64_t base, uint64_t header, struct trace_parts *parts)
{
	if (!map(base, 0, header, parts->file))
		return false;
	if (map_part(base, &parts->rings, parts->file) &&
	    map_part(base, &parts->processes, parts->file))
		return true;
	sys_munmap((uint64_t)base, header);
	if (parts->rings.mapped)
		sys_munmap(base + parts->rings.start, parts->rings.mapped);
	return false;
}

void *trace_parts_map(int fd, const struct trace_layout *layout, struct trace_parts **ret)
{
	long at = sys_mmap(0, SYS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	struct trace_parts *parts = (struct trace_parts *)at;

	if (sys_failed(at))
		return NULL;
	*parts = (struct trace_parts){
		.rings = {.start = layout->rings,
			  .size = layout->processes - layout->rings,
			  .step = TABLE_STEP},
		.processes = {.start = layout->processes,
			      .size = layout->heap - layout->processes,
			      .step = TABLE_STEP},
		.file = fd,
	};
	for (uint64_t i = 0; i < BASES; i++) {
		uint64_t base = __tsan_init ? FOR_TSAN : FAR_FROM_CODE - i * BASE_STEP;

		if (!map_tables(base, layout->rings, parts))
			continue;
		*ret = parts;
		return (void *)base;
	}
	sys_munmap((uint64_t)parts, SYS_PAGE_SIZE);
	return NULL;
}

bool trace_parts_map_heap(void *base, struct trace_parts *parts, const struct trace_layout *layout,
			  uint32_t index)
{
	parts->heap = (struct trace_part){
		.start = layout->heap + index * layout->heap_size,
		.size = layout->heap_size,
		.step = HEAP_STEP,
	};
	return map_part((uint64_t)base, &parts->heap, parts->file);
}

static void unmap(uint64_t base, const struct trace_part *part)
{
	if (part->mapped)
		sys_munmap(base + part->start, part->mapped);
}

void trace_parts_unmap(void *base, struct trace_parts *parts, const struct trace_layout *layout)
{
	unmap((uint64_t)base, &parts->rings);
	unmap((uint64_t)base, &parts->processes);
	unmap((uint64_t)base, &parts->heap);
	sys_munmap((uint64_t)base, layout->rings);
	sys_munmap((uint64_t)parts, SYS_PAGE_SIZE);
}

/* ---- growth -------------------------------------------------------------------------------- */

EP_TRAP_PATH static long expand(uint64_t at, uint64_t old, uint64_t wanted)
{
	long ret;

	sys_unlock(at, old);
	ret = sys6(SYS_mremap, (long)at, (long)old, (long)wanted, 0, 0, 0);

	if (ret != -EAGAIN)
		return ret;
	/* The program locks all that is mapped, and is at its limit: it did not mean our memory. */
	sys6(SYS_munlock, (long)at, (long)old, 0, 0, 0, 0);
	return sys6(SYS_mremap, (long)at, (long)old, (long)wanted, 0, 0, 0);
}

EP_TRAP_PATH static uint64_t round_up(const struct trace_part *part, uint64_t end)
{
	uint64_t ret = (end + part->step - 1) / part->step * part->step;

	return ret < part->size ? ret : part->size;
}

EP_TRAP_PATH static void raise_to(_Atomic uint64_t *size, uint64_t least)
{
	uint64_t now = atomic_load(size);

	while (now < least && !atomic_compare_exchange_weak(size, &now, least))
		;
}

/* Only who knows how large the part is can expand it, so one at a time. */
EP_TRAP_PATH static bool expand_part(uint64_t at, struct trace_part *part, uint64_t old,
				     uint64_t wanted)
{
	if (sys_failed(expand(at, old, wanted)))
		return false;
	raise_to(&part->mapped, wanted);
	return true;
}

/*
 * By at least a step: what is as large as the part may be cannot grow, and so stays unknown. Nobody has
 * made it larger than what was asked for.
 */
EP_TRAP_PATH static void find_size(uint64_t at, struct trace_part *part, uint64_t end)
{
	uint64_t old = atomic_load(&part->mapped), asked = atomic_load(&part->asked);

	for (int i = 0; i < SIZES_MAX && old <= asked && old < part->size; i++) {
		if (expand_part(at, part, old, round_up(part, end > old ? end : old + 1)))
			return;
		old += part->step;
	}
}

EP_TRAP_PATH static void grow(uint64_t at, struct trace_part *part, uint64_t end)
{
	for (int tries = 0; tries < TRIES; tries++) {
		uint64_t mapped = atomic_load(&part->mapped), wanted = round_up(part, end);

		if (mapped >= end)
			return;
		raise_to(&part->asked, wanted);
		if (expand_part(at, part, mapped, wanted))
			return;
		if (tries == PATIENCE)
			find_size(at, part, end);
		else
			sys6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	}
}

EP_TRAP_PATH bool trace_parts_reach(const void *base, struct trace_part *part, uint64_t end)
{
	uint64_t all = ~(BIT(SIGTRAP) | BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGFPE));
	uint64_t old = 0;

	if (end <= atomic_load(&part->mapped))
		return true;
	if (end > part->size)
		return false;
	sys6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, (long)&old, SYS_SIGSET_SIZE, 0, 0);
	grow((uint64_t)base + part->start, part, end);
	sys6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0, SYS_SIGSET_SIZE, 0, 0);
	return end <= atomic_load(&part->mapped);
}
