/* SPDX-License-Identifier: MIT */
/* A handler jumps out of an execve() that fails: what is ignored is shown to the kernel meanwhile. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

static sigjmp_buf out;
static volatile sig_atomic_t left;

static void leave(int sig)
{
	left++;
	siglongjmp(out, sig);
}

enum { ARGUMENTS = 4000 };

int main(void)
{
	static char *arguments[ARGUMENTS + 1];
	const struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
	const int nothing = memfd_create("nothing", 0);
	char path[64];

	if (write(nothing, "no program", 10) != 10)
		return 2;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", nothing);

	for (int i = 0; i < ARGUMENTS; i++)
		arguments[i] = (char *)"an argument that takes the kernel some time to copy";
	signal(SIGTRAP, SIG_IGN);
	signal(SIGALRM, leave);
	for (volatile int i = 0; i < 300; i++) {
		if (sigsetjmp(out, 1) == 0) {
			setitimer(ITIMER_REAL, &often, NULL);
			for (;;)
				execv(path, arguments);
		}
		setitimer(ITIMER_REAL, &never, NULL);
		free(malloc(10)); /* a trap */
	}
	return left == 0;
}
