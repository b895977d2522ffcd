/* SPDX-License-Identifier: MIT */
/*
 * Preloaded: stops the program where emuprobe's library would start to count, so that others can
 * start there, too.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As that library has: libc frees something for each object's thread-local storage. */
static __thread volatile int own;

__attribute__((constructor)) static void stop(void)
{
	own = 1;
	syscall(SYS_kill, getpid(), SIGSTOP);
}
