// SPDX-License-Identifier: MIT
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
#include "probe/patch.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "probe/syscall.h"

#define PAGE_SIZE 4096u
#define RUN_MAX	  8u /* bytes written by one system call */

static bool force_mprotect;
static _Atomic uint64_t busy_page; /* 0: none */
static bool have_membarrier;

void patch_force_mprotect(bool force)
{
	force_mprotect = force;
}

int patch_init(void)
{
	long error =
		sys3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);

	if (!error)
		error = sys3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	have_membarrier = error == 0;
	return have_membarrier ? 0 : -EP_UNSUPPORTED;
}

void patch_barrier(void)
{
	if (!have_membarrier)
		return;
	sys3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
	sys3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

EP_TRAP_PATH bool patch_is_busy(uint64_t address)
{
	uint64_t busy = atomic_load_explicit(&busy_page, memory_order_acquire);

	return busy && address - busy < PAGE_SIZE;
}

static bool write_by_mprotect(const struct patch_byte *byte)
{
	uint64_t page = byte->address & -(uint64_t)PAGE_SIZE;
	long error;

	atomic_store(&busy_page, page);
	error = sys3(SYS_mprotect, page, PAGE_SIZE, PROT_READ | PROT_WRITE);
	if (!error) {
		*(volatile uint8_t *)byte->address = byte->byte;
		sys3(SYS_mprotect, page, PAGE_SIZE, PROT_READ | PROT_EXEC);
	}
	atomic_store(&busy_page, 0);
	return error == 0;
}

EP_TRAP_PATH long patch_open(void)
{
	static const char path[] = "/proc/self/mem";

	return sys3(SYS_open, path, O_RDWR | O_CLOEXEC, 0);
}

EP_TRAP_PATH void patch_close(long fd)
{
	sys1(SYS_close, fd);
}

EP_TRAP_PATH bool patch_write_raw(long fd, uint64_t address, const uint8_t *bytes, size_t size)
{
	return sys4(SYS_pwrite64, fd, bytes, size, address) == (long)size;
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

size_t patch_write(struct patch_byte *bytes, size_t count)
{
	size_t failed = 0, length;
	long fd = force_mprotect ? -1 : patch_open();

	for (size_t i = 0; i < count; i += length) {
		length = run_length(&bytes[i], count - i);
		bool written = write_run(fd, &bytes[i], length);

		for (size_t j = i; j < i + length; j++) {
			bool good = written || write_by_mprotect(&bytes[j]);

			bytes[j].error = good ? 0 : -EP_NOT_WRITABLE;
			failed += !good;
		}
	}
	if (fd >= 0)
		patch_close(fd);
	patch_barrier();
	return failed;
}
