/* SPDX-License-Identifier: MIT */
/*
 * Segments of an object are a mapping of its file, and who shortens that file takes the pages away:
 * to read them is SIGBUS then, of which a program dies in which nothing is probed yet. So the kernel
 * does it, which answers with an error, through /proc/self/mem. Where that cannot be opened, or is
 * not worth it, it is asked page by page whether one is there; a page that vanishes in between is
 * noticed once the engine has the signals of faults.
 */
#include "sys/copy.h"

#include <errno.h>
#include <fcntl.h>

#include "sys/abi.h"
#include "sys/call.h"
#include "sys/memory.h"
#include "sys/readable.h"

#define FEW_BYTES 64u	      /* for which no file is opened */
#define READ_MAX  0x40000000u /* bytes; read(2): less than 2 GiB at once */

static bool forget_proc, faults_are_caught;

void sys_copy_forget_proc(bool forget)
{
	forget_proc = forget;
}

static long open_memory(void)
{
	static const char path[] = "/proc/thread-self/mem";

	return sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
}

static size_t copy_by_kernel(uint64_t from, uint8_t *to, size_t size)
{
	long fd = forget_proc ? -ENOENT : open_memory();
	size_t done = 0;

	while (fd >= 0 && done < size) {
		size_t wanted = size - done < READ_MAX ? size - done : READ_MAX;
		long got = sys4(SYS_pread64, fd, to + done, wanted, from + done);

		if (got <= 0)
			break;
		done += (size_t)got;
	}
	if (fd >= 0)
		sys1(SYS_close, fd);
	return done;
}

static size_t copy_pages(uint64_t from, uint8_t *to, size_t size)
{
	size_t done = 0;

	while (done < size) {
		uint64_t at = from + done, left = SYS_PAGE_SIZE - at % SYS_PAGE_SIZE;
		size_t count = left < size - done ? left : size - done;

		if (!sys_readable_page(at) || !sys_read_memory(to + done, at, count))
			break;
		done += count;
	}
	return done;
}

/* What one way finds nothing at is tried in the other: a filter may forbid either. */
size_t sys_copy(uint64_t from, void *to, size_t size)
{
	bool few = size <= FEW_BYTES;
	size_t done = few ? copy_pages(from, to, size) : copy_by_kernel(from, to, size), more;
	uint8_t *rest = (uint8_t *)to + done;

	if (done == size)
		return done;
	more = few ? copy_by_kernel(from + done, rest, size - done)
		   : copy_pages(from + done, rest, size - done);
	return done + more;
}

void sys_copy_rely_on_faults(bool caught)
{
	faults_are_caught = caught;
}

bool sys_copy_all(uint64_t from, void *to, size_t size)
{
	return faults_are_caught ? sys_read_memory(to, from, size)
				 : sys_copy(from, to, size) == size;
}
