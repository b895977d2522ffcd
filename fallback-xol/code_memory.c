/* SPDX-License-Identifier: MIT */
/*
 * Copies of instructions must lie within a rel32 of their originals, and no page may be writable
 * and executable at once, as hardened kernels insist (G6). So every chunk is a memfd mapped twice:
 *
 *	.rx  r-x  in a gap near the target        .rw  rw-  wherever the kernel likes
 *	     |                                         |
 *	     +------------- same pages ----------------+
 *
 * A chunk has a memfd of its own, closed at once: programs close descriptors that they did not
 * open, and the number could then mean a file of theirs. All near targets share a chunk; chunks grow
 * with what is in use, and get smaller where there is no room.
 *
 * MAP_SHARED memory stays shared after fork(). The parent goes on filling its chunks; a child may
 * run what is there, but takes chunks of its own. Each chunk remembers the generation that made
 * it; the current one is kept in a page which is wiped in a child, so that not even a process
 * identifier that is used again can confuse two processes.
 */
#include "fallback-xol/code_memory.h"

#include <errno.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "fallback-xol/arena.h"
#include "include/emuprobe.h"
#include "sys/abi.h"
#include "sys/mapping.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u /* Linux 6.3: the file itself is not to be executed */
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

#define MIN_ADDR_MAX ((uint64_t)1 << 20) /* more than any vm.mmap_min_addr */
#define CHUNK_ALIGN  ((size_t)64 << 10)
#define CHUNK_MIN    ((size_t)64 << 10) /* but where that does not fit in */

struct chunk {
	struct chunk *next;
	struct xol_code code;
	size_t size, used, filled; /* filled: what has pages by now */
	uint64_t generation;
};

static struct chunk *chunks;
static struct xol_memory_usage usage;

/* ---- fork ---------------------------------------------------------------------------------- */

struct owner {
	long pid; /* 0: wiped by fork() */
};

static struct owner *owner;
static bool is_wiped; /* else .pid differs in a child */
static uint64_t generation;

static struct owner *owner_create(void)
{
	long at = sys_mmap(0, SYS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	if (at < 0)
		return NULL;
	is_wiped = sys_madvise((uint64_t)at, SYS_PAGE_SIZE, MADV_WIPEONFORK) == 0;
	return (struct owner *)at;
}

uint64_t xol_code_generation(void)
{
	long pid;

	if (!owner)
		owner = owner_create();
	if (!owner)
		return 0;
	if (is_wiped && owner->pid) /* asked for thousands of slots */
		return generation;
	pid = sys0(SYS_getpid);
	if (owner->pid != pid) {
		owner->pid = pid;
		generation++;
	}
	return generation;
}

/* ---- chunks -------------------------------------------------------------------------------- */

/*
 * A program may limit the size of its files (RLIMIT_FSIZE): to go beyond raises SIGXFSZ, for memfds
 * too. The soft limit is lifted for a moment; the hard one is respected.
 */
static bool set_size(long fd, size_t size)
{
	struct rlimit old = {0}, lifted;
	bool limited, done = false;

	if (sys6(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&old, 0, 0) < 0)
		old = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY}; /* a sandbox: let us see */
	limited = old.rlim_cur < size;
	if (old.rlim_max < size)
		return false;
	lifted = (struct rlimit){old.rlim_max, old.rlim_max};
	if (limited)
		sys6(SYS_prlimit64, 0, RLIMIT_FSIZE, (long)&lifted, 0, 0, 0);
	done = sys6(SYS_ftruncate, fd, (long)size, 0, 0, 0, 0) >= 0;
	if (limited)
		sys6(SYS_prlimit64, 0, RLIMIT_FSIZE, (long)&old, 0, 0, 0);
	return done;
}

static int memfd_create_sized(size_t size)
{
	const char *name = "emuprobe-code"; /* as maps show it */
	long fd = sys6(SYS_memfd_create, (long)name, MFD_CLOEXEC | MFD_NOEXEC_SEAL, 0, 0, 0, 0);

	if (fd == -EINVAL)
		fd = sys6(SYS_memfd_create, (long)name, MFD_CLOEXEC, 0, 0, 0, 0);
	if (fd < 0)
		return -EP_NO_MEMORY;
	if (!set_size(fd, size)) {
		sys6(SYS_close, fd, 0, 0, 0, 0, 0);
		return -EP_NO_MEMORY;
	}
	return (int)fd;
}

/* Another thread may have taken the gap: -EEXIST, or another address from kernels before 4.17. */
static long map_executable(uint64_t at, size_t size, int fd)
{
	long got =
		sys_mmap(at, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);

	if (got < 0 || (uint64_t)got == at)
		return got;
	sys_munmap((uint64_t)got, size);
	return -EEXIST;
}

/* The other side of @fd. */
static int map_writable(size_t size, int fd, struct xol_code *code)
{
	long rw = sys_mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (rw < 0) {
		sys_munmap(code->rx, size);
		return -EP_NO_MEMORY;
	}
	code->rw = (uint8_t *)rw;
	usage.chunks++;
	usage.reserved += size;
	return 0;
}

static int map_twice(uint64_t at, size_t size, int fd, struct xol_code *ret)
{
	long got = map_executable(at, size, fd);

	if (got == -EEXIST || got == -EPERM) /* EPERM: below this process's vm.mmap_min_addr */
		return -EP_OUT_OF_REACH;
	if (got < 0)
		return -EP_NO_MEMORY;
	ret->rx = (uint64_t)got;
	return map_writable(size, fd, ret);
}

static int map_near(struct sys_window window, uint64_t near, size_t size, int fd,
		    struct xol_code *ret)
{
	int error = -EP_OUT_OF_REACH;

	for (int tries = 0; tries < 8 && error == -EP_OUT_OF_REACH; tries++) {
		uint64_t at;

		error = sys_maps_find_gap(window, near, size, CHUNK_ALIGN, &at);
		if (error)
			return error;
		error = map_twice(at, size, fd, ret);
		if (at < MIN_ADDR_MAX) /* not to be asked for again */
			window.lo = at + CHUNK_ALIGN;
	}
	return error;
}

static int memfd_close(int fd, int error)
{
	sys6(SYS_close, fd, 0, 0, 0, 0, 0);
	return error;
}

/* What says "never", not "not now": that is found out when memory is needed. */
int xol_code_check(void)
{
	long fd = sys6(SYS_memfd_create, (long)"emuprobe", MFD_CLOEXEC, 0, 0, 0, 0);

	if (fd >= 0)
		sys6(SYS_close, fd, 0, 0, 0, 0, 0);
	return fd == -ENOSYS || fd == -EPERM || fd == -EACCES || fd == -EINVAL ? -EP_NO_MEMFD : 0;
}

int xol_code_map(uint64_t at, size_t size, struct xol_code *ret)
{
	int fd = memfd_create_sized(size);

	return fd < 0 ? fd : memfd_close(fd, map_twice(at, size, fd, ret));
}

#define REPEATED ((size_t)256 << 10) /* bytes of the file */

/* A mapping that fails, half way, leaves none of them behind that could be executed. */
static int repeat(uint64_t at, size_t size, int fd)
{
	for (uint64_t done = 0; done < size; done += REPEATED) {
		if (!sys_failed(sys_mmap(at + done, REPEATED, PROT_READ | PROT_EXEC,
					 MAP_SHARED | MAP_FIXED, fd, 0)))
			continue;
		sys_mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0);
		return -EP_NO_MEMORY;
	}
	return 0;
}

int xol_code_repeat(uint64_t at, size_t size, const uint8_t *pattern, size_t pattern_size)
{
	int fd = memfd_create_sized(REPEATED);
	long rw;

	if (fd < 0)
		return fd;
	rw = sys_mmap(0, REPEATED, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (sys_failed(rw))
		return memfd_close(fd, -EP_NO_MEMORY);
	for (size_t i = 0; i < REPEATED; i++)
		((uint8_t *)rw)[i] = pattern[i % pattern_size];
	sys_munmap((uint64_t)rw, REPEATED);
	return memfd_close(fd, repeat(at, size, fd));
}

static int chunk_create(struct sys_window window, uint64_t near, size_t size, struct chunk **ret)
{
	struct chunk *chunk = xol_arena_alloc(sizeof(*chunk));
	int fd = memfd_create_sized(size), error;

	if (fd < 0)
		return fd;
	if (!chunk)
		return memfd_close(fd, -EP_NO_MEMORY);
	error = memfd_close(fd, map_near(window, near, size, fd, &chunk->code));
	if (error)
		return error;
	chunk->size = size;
	chunk->generation = generation;
	chunk->next = chunks;
	chunks = chunk;
	*ret = chunk;
	return 0;
}

/*
 * As large as all that is in use, if possible: a program that locks its memory, or may not have much,
 * pays for what its probes need. -EP_NO_MEMORY counts for more than -EP_OUT_OF_REACH of a larger one.
 */
static int chunk_create_for(struct sys_window window, uint64_t near, size_t size,
			    struct chunk **ret)
{
	static const size_t sizes[] = {(size_t)1 << 20, (size_t)256 << 10, CHUNK_MIN,
				       (size_t)16 << 10, SYS_PAGE_SIZE};
	size_t enough = usage.used > CHUNK_MIN ? usage.used : CHUNK_MIN;
	int error = -EP_OUT_OF_REACH;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && sizes[i] >= size; i++) {
		if (sizes[i] > enough && sizes[i + 1] >= size)
			continue;
		error = chunk_create(window, near, sizes[i], ret);
		if (!error)
			return 0;
	}
	if (size > sizes[0])
		return chunk_create(window, near, (size + SYS_PAGE_SIZE - 1) & ~(SYS_PAGE_SIZE - 1),
				    ret);
	return error;
}

/* ---- allocation ---------------------------------------------------------------------------- */

/*
 * A page at a time is a fault each: the second 64 KiB and what follows are asked for as such. Who
 * has one probe needs the first page only. Older kernels refuse, and the pages come as they are used.
 */
static void fill(struct chunk *chunk)
{
	size_t left = chunk->size - chunk->filled;

	if (chunk->used <= chunk->filled)
		return;
	if (usage.used > CHUNK_MIN)
		sys_madvise((uint64_t)chunk->code.rw + chunk->filled,
			    left < CHUNK_MIN ? left : CHUNK_MIN, MADV_POPULATE_WRITE);
	chunk->filled += left < CHUNK_MIN ? left : CHUNK_MIN;
}

/* Takes from @chunk only what comes next: nothing is lost but alignment. */
static int take(struct chunk *chunk, struct sys_window window, size_t size, size_t align,
		struct xol_code *ret)
{
	uint64_t at = (chunk->code.rx + chunk->used + align - 1) & ~(uint64_t)(align - 1);
	uint64_t offset = at - chunk->code.rx;

	if (offset > chunk->size || size > chunk->size - offset)
		return -EP_OUT_OF_REACH;
	if (at < window.lo || at > window.hi || size > window.hi - at)
		return -EP_OUT_OF_REACH;
	chunk->used = offset + size;
	usage.used += size;
	fill(chunk);
	*ret = (struct xol_code){.rx = at, .rw = chunk->code.rw + offset};
	return 0;
}

int xol_code_alloc_in(struct sys_window window, uint64_t near, size_t size, size_t align,
		      struct xol_code *ret)
{
	uint64_t current = xol_code_generation();
	struct chunk *chunk;
	int error;

	if (!current)
		return -EP_NO_MEMORY;
	for (chunk = chunks; chunk; chunk = chunk->next)
		if (chunk->generation == current && !take(chunk, window, size, align, ret))
			return 0;
	error = chunk_create_for(window, near, size, &chunk);
	if (error)
		return error;
	return take(chunk, window, size, align, ret);
}

struct sys_window xol_code_reach(uint64_t address, uint64_t slack)
{
	const uint64_t reach = ((uint64_t)1 << 31) - slack - 64; /* ends of instructions */

	return sys_intersect(
		SYS_ANYWHERE,
		(struct sys_window){address > reach ? address - reach : 0, address + reach});
}

int xol_code_alloc(uint64_t near, size_t size, struct xol_code *ret)
{
	return xol_code_alloc_in(xol_code_reach(near, XOL_SLACK), near, size, 16, ret);
}

void xol_code_usage(struct xol_memory_usage *ret)
{
	*ret = usage;
}
