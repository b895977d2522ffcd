/* SPDX-License-Identifier: MIT */
/*
 * Program text is mapped readable and executable, and must never be writable and executable at
 * once (G6). The kernel lets a process write to its own text through /proc/self/mem: the page is
 * copied privately, the mapping keeps its protection, and a single byte changes atomically for
 * all threads. Where that is denied, the page loses its execute permission while it is written;
 * a thread that wants to execute it meanwhile faults, and the fault handler sends it back until
 * the page is whole again.
 *
 * The file is opened anew for each batch: a descriptor kept over a fork would write to the parent.
 * Raw system calls throughout, since libc's own may be among the bytes being changed.
 */
#include "probe/site/patch.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/abi.h"
#include "sys/barrier.h"
#include "sys/call.h"
#include "sys/maps.h"
#include "sys/memory.h"
#include "sys/status.h"
#include "x86/encode.h"

#define RUN_MAX	  8u  /* bytes written by one system call */
#define MANY	  64u /* bytes: it pays to look whether there are other threads */
#define TRIES_MAX 100 /* to make a page executable again: there is no way back */

static bool force_mprotect;
static _Atomic uint64_t busy_page; /* 0: none */
static atomic_bool has_been_busy;
static atomic_flag page_lock = ATOMIC_FLAG_INIT; /* who makes a page busy */

void patch_force_mprotect(bool force)
{
	force_mprotect = force;
}

EP_TRAP_PATH bool patch_is_busy(uint64_t address)
{
	uint64_t busy = atomic_load_explicit(&busy_page, memory_order_acquire);

	return busy && address - busy < SYS_PAGE_SIZE;
}

EP_TRAP_PATH bool patch_was_busy(void)
{
	return atomic_load_explicit(&has_been_busy, memory_order_relaxed);
}

/* Some security policies let text become writable, but never executable again: find out on a page of
 * our own that nobody executes. */
static bool can_come_back(void)
{
	__attribute__((section(".text.patch_trial"),
		       aligned(4096))) static const uint8_t trial[SYS_PAGE_SIZE] = {X86_INT3};
	static enum { UNKNOWN, YES, NO } can;

	if (can == UNKNOWN) {
		if (sys3(SYS_mprotect, trial, SYS_PAGE_SIZE, PROT_READ | PROT_WRITE))
			return false;
		*(volatile uint8_t *)(uint64_t)trial = trial[0]; /* a copy of ours, as it will be */
		can = sys3(SYS_mprotect, trial, SYS_PAGE_SIZE, PROT_READ | PROT_EXEC) ? NO : YES;
	}
	return can == YES;
}

struct search {
	uint64_t address;
	int protection; /* -1: unknown */
};

static void find_protection(const struct sys_mapping *mapping, void *data)
{
	struct search *search = data;

	if (search->address >= mapping->lo && search->address < mapping->hi)
		search->protection = (mapping->readable ? PROT_READ : 0) |
				     (mapping->writable ? PROT_WRITE : 0) |
				     (mapping->executable ? PROT_EXEC : 0);
}

static int protection_of(uint64_t address)
{
	struct search search = {address, -1};

	sys_maps_each(find_protection, &search);
	return search.protection < 0 ? PROT_READ | PROT_EXEC : search.protection;
}

/* For the time of three system calls, which no signal interrupts: a trap has them blocked, or the lock. */
EP_TRAP_PATH static void begin_busy(uint64_t page)
{
	while (atomic_flag_test_and_set(&page_lock))
		sys0(SYS_sched_yield);
	atomic_store(&has_been_busy, true);
	atomic_store(&busy_page, page);
}

EP_TRAP_PATH static void end_busy(void)
{
	atomic_store(&busy_page, 0);
	atomic_flag_clear(&page_lock);
}

static bool write_in_writable_page(const struct patch_byte *byte, uint64_t page, int protection)
{
	bool done;

	if (sys3(SYS_mprotect, page, SYS_PAGE_SIZE, PROT_READ | PROT_WRITE))
		return false;
	/* The file may have been shortened. */
	done = sys_write_memory(byte->address, &byte->byte, sizeof(byte->byte));
	for (int tries = 0; tries < TRIES_MAX; tries++)
		if (!sys3(SYS_mprotect, page, SYS_PAGE_SIZE, protection))
			break;
	return done;
}

static bool write_by_mprotect(const struct patch_byte *byte)
{
	uint64_t page = byte->address & -SYS_PAGE_SIZE;
	int protection = protection_of(byte->address);
	bool done;

	if (protection & PROT_WRITE) /* generated code: the program's own choice */
		return sys_write_memory(byte->address, &byte->byte, sizeof(byte->byte));
	if (!can_come_back())
		return false;
	begin_busy(page);
	done = write_in_writable_page(byte, page, protection);
	end_busy();
	return done;
}

EP_TRAP_PATH long patch_open(void)
{
	static const char path[] = "/proc/thread-self/mem";

	return sys4(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
}

EP_TRAP_PATH void patch_close(long fd)
{
	sys1(SYS_close, fd);
}

EP_TRAP_PATH bool patch_write_raw(long fd, uint64_t address, const uint8_t *bytes, size_t size)
{
	return sys4(SYS_pwrite64, fd, bytes, size, address) == (long)size;
}

EP_TRAP_PATH static bool restore_by_mprotect(uint64_t address, uint8_t byte)
{
	uint64_t page = address & -SYS_PAGE_SIZE;
	bool done = false;

	begin_busy(page);
	if (!sys3(SYS_mprotect, page, SYS_PAGE_SIZE, PROT_READ | PROT_WRITE)) {
		done = sys_write_memory(address, &byte, 1);
		for (int tries = 0; tries < TRIES_MAX; tries++)
			if (!sys3(SYS_mprotect, page, SYS_PAGE_SIZE, PROT_READ | PROT_EXEC))
				break;
	}
	end_busy();
	return done;
}

EP_TRAP_PATH bool patch_restore(uint64_t address, uint8_t byte)
{
	long fd = force_mprotect ? -1 : patch_open();
	bool done = fd >= 0 && patch_write_raw(fd, address, &byte, 1);

	if (fd >= 0)
		patch_close(fd);
	return done || restore_by_mprotect(address, byte);
}

/* How many of the @count bytes follow each other in memory. */
static size_t run_length(const struct patch_byte *bytes, size_t count)
{
	size_t length = 1;

	while (length < count && length < RUN_MAX &&
	       bytes[length].address == bytes[0].address + length)
		length++;
	return length;
}

/* Each byte changes atomically all the same: nothing is smaller than a byte. */
static bool write_run(long fd, const struct patch_byte *bytes, size_t count)
{
	uint8_t run[RUN_MAX];

	for (size_t i = 0; i < count; i++)
		run[i] = bytes[i].byte;
	return fd >= 0 && patch_write_raw(fd, bytes[0].address, run, count);
}

/* ---- many at once, where nobody can see it -------------------------------------------------------- */

/* One thread, which is here: nobody executes, or changes, what stands between the bytes. */
static bool is_alone(void)
{
	return sys_status("Threads") == 1;
}

/* How many of the @count bytes ascend within one page. */
static size_t page_length(const struct patch_byte *bytes, size_t count)
{
	uint64_t page = bytes[0].address / SYS_PAGE_SIZE;
	size_t length = 1;

	while (length < count && bytes[length].address / SYS_PAGE_SIZE == page &&
	       bytes[length].address > bytes[length - 1].address)
		length++;
	return length;
}

/* With what stands between them, as it is. */
static bool write_page(long fd, const struct patch_byte *bytes, size_t count)
{
	uint64_t first = bytes[0].address;
	size_t size = bytes[count - 1].address + 1 - first;
	uint8_t page[SYS_PAGE_SIZE];

	if (fd < 0 || !sys_read_memory(page, first, size))
		return false;
	for (size_t i = 0; i < count; i++)
		page[bytes[i].address - first] = bytes[i].byte;
	return patch_write_raw(fd, first, page, size);
}

/* Nothing is written by the byte: a page has all of its bytes, or none. */
size_t patch_write_unseen(struct patch_byte *bytes, size_t count)
{
	long fd = !force_mprotect && is_alone() && sys_barrier() ? patch_open() : -1;
	size_t failed = 0, length;

	for (size_t i = 0; i < count; i += length) {
		bool written;

		length = page_length(&bytes[i], count - i);
		written = write_page(fd, &bytes[i], length);
		for (size_t j = i; j < i + length; j++)
			bytes[j].error = written ? 0 : -EP_NOT_WRITABLE;
		failed += written ? 0 : length;
	}
	if (fd >= 0)
		patch_close(fd);
	sys_barrier(); /* of this thread alone: it was not refused just now */
	return failed;
}

size_t patch_write_new(struct patch_byte *bytes, size_t count)
{
	long fd = force_mprotect ? -1 : patch_open();
	size_t failed = 0, length;

	for (size_t i = 0; i < count; i += length) {
		bool written;

		length = page_length(&bytes[i], count - i);
		written = write_page(fd, &bytes[i], length);
		for (size_t j = i; j < i + length; j++)
			bytes[j].error =
				written || write_by_mprotect(&bytes[j]) ? 0 : -EP_NOT_WRITABLE;
		for (size_t j = i; j < i + length; j++)
			failed += bytes[j].error != 0;
	}
	if (fd >= 0)
		patch_close(fd);
	return failed;
}

/* The number of bytes that are written at the beginning of @bytes: all of a page, or none. */
static size_t write_first_page(long fd, const struct patch_byte *bytes, size_t count)
{
	size_t length = page_length(bytes, count);

	return length > RUN_MAX && write_page(fd, bytes, length) ? length : 0;
}

/* -------------------------------------------------------------------------------------------- */

size_t patch_write(struct patch_byte *bytes, size_t count)
{
	size_t failed = 0, length;
	long fd = force_mprotect ? -1 : patch_open();
	bool by_page = fd >= 0 && count >= MANY && is_alone();

	for (size_t i = 0; i < count; i += length) {
		bool written;

		length = by_page ? write_first_page(fd, &bytes[i], count - i) : 0;
		written = length;
		if (!length) {
			length = run_length(&bytes[i], count - i);
			written = write_run(fd, &bytes[i], length);
		}
		for (size_t j = i; j < i + length; j++) {
			bool good = written || write_by_mprotect(&bytes[j]);

			bytes[j].error = good ? 0 : -EP_NOT_WRITABLE;
			failed += !good;
		}
	}
	if (fd >= 0)
		patch_close(fd);
	return failed + !sys_barrier();
}
