/* SPDX-License-Identifier: MIT */
/*
 * The loader tells us on whatever stack the program has called dlopen(), and pthread_exit(), which
 * loads the unwinder, runs on the last bytes of a thread's 16 KiB. What is done then takes more than
 * that: paths, functions, probes. So it gets a stack, mapped for this once, since a process that
 * locks its memory would pay for it all the time. Below is a page that nobody can touch.
 */
#include "probe/engine/roomy.h"

#include <sys/mman.h>

#include "sys/abi.h"
#include "sys/call.h"
#include "sys/mapping.h"

#define STACK_SIZE (256ul << 10)

void roomy_run(void (*run)(void))
{
	long at = sys_mmap(0, SYS_PAGE_SIZE + STACK_SIZE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t start = (uint64_t)at + SYS_PAGE_SIZE;

	if (sys_failed(at)) {
		run();
		return;
	}
	if (sys3(SYS_mprotect, start, STACK_SIZE, PROT_READ | PROT_WRITE))
		run();
	else
		roomy_call(run, (void *)(start + STACK_SIZE));
	sys_munmap((uint64_t)at, SYS_PAGE_SIZE + STACK_SIZE);
}
