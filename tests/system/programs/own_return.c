/* SPDX-License-Identifier: MIT */
/* Calls what looks at its own return address, and says what came of it. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static jmp_buf environment;

static void set_and_get(void)
{
	volatile int jumps = 0, contexts = 0;
	ucontext_t context;

	if (setjmp(environment) < 3) {
		jumps++;
		longjmp(environment, jumps);
	}
	getcontext(&context);
	if (contexts++ < 3)
		setcontext(&context);
	printf("jumps %d, contexts %d\n", jumps, contexts);
}

static void make_children(void)
{
	pid_t child = vfork();
	int status;

	if (child == 0)
		_exit(3);
	waitpid(child, &status, 0);
	printf("child %d, shell %d\n", WEXITSTATUS(status), WEXITSTATUS(system("exit 4")));
}

int main(void)
{
	puts("next");
	set_and_get();
	make_children();
	printf("library %d\n", dlopen("libm.so.6", RTLD_NOW) != NULL);
	return 0;
}
