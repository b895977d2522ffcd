/* SPDX-License-Identifier: MIT */
/*
 * As the runtimes of Go and of the sanitizers do it: what libc has blocked is unblocked by a system
 * call of one's own, and a fault is an event like any other.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "check.h"

static sigjmp_buf back;

static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

static void set_mask(uint64_t mask)
{
	register long r10 __asm__("r10") = sizeof(mask);
	long ret;

	__asm__ volatile("movl $14, %%eax\n\tsyscall" /* rt_sigprocmask */
			 : "=&a"(ret)
			 : "D"(SIG_SETMASK), "S"(&mask), "d"(0), "r"(r10)
			 : "rcx", "r11", "memory");
	CHECK(ret == 0);
}

/* More calls than an object has. */
static void set_mask_often(uint64_t mask)
{
	register long r10 __asm__("r10") = sizeof(mask);
	long ret;

	__asm__ volatile(".rept 600\n\t"
			 "movl $14, %%eax\n\tsyscall\n\t"
			 ".endr"
			 : "=&a"(ret)
			 : "D"(SIG_SETMASK), "S"(&mask), "d"(0), "r"(r10)
			 : "rcx", "r11", "memory");
	CHECK(ret == 0);
}

/* The number waits in another register, and the call is far behind. */
static void set_mask_far(uint64_t mask)
{
	register long r10 __asm__("r10") = sizeof(mask);
	long ret;

	__asm__ volatile("movl $14, %%ebx\n\t"
			 ".fill 100, 1, 0x90\n\t"
			 "movq %%rbx, %%rax\n\tsyscall"
			 : "=&a"(ret)
			 : "D"(SIG_SETMASK), "S"(&mask), "d"(0), "r"(r10)
			 : "rbx", "rcx", "r11", "memory");
	CHECK(ret == 0);
}

static void fault(void)
{
	volatile int *volatile nowhere = NULL;

	if (sigsetjmp(back, 0) == 0) {
		*nowhere = 1;
		CHECK(!"not reached");
	}
}

static void block_all(void)
{
	sigset_t all;

	sigfillset(&all);
	CHECK(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
}

static void try(void (*set)(uint64_t))
{
	char *text;

	signal(SIGSEGV, on_fault);
	for (int i = 0; i < 3; i++) {
		block_all();
		set(0);
		fault();
		set(~0ul); /* now SIGTRAP is blocked, as far as we know */
		text = strdup("probed");
		free(text);
		set(0);
	}
}

static void near(void)
{
	try(set_mask);
}

static void far(void)
{
	try(set_mask_far);
}

static void often(void)
{
	try(set_mask_often);
}

int main(int argc, char **argv)
{
	static const struct check_case cases[] = {
		{"near", near}, {"far", far}, {"often", often}, {NULL, NULL}};

	return check_main(argc, argv, cases);
}
