/* SPDX-License-Identifier: MIT */
/*
 * A sandbox that kills for what a stack of ours takes, and a thread that is made in it: the thread goes
 * on, on its own stack.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static volatile int hits;

void target(void);
__attribute__((noinline)) void target(void)
{
	__asm__ volatile("nop; nop; nop; nop; nop");
	hits++;
}

static void *run(void *arg)
{
	target();
	return arg;
}

int main(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sigaltstack, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {COUNT(filter), filter};
	pthread_t thread;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 1;
	if (pthread_create(&thread, NULL, run, NULL) || pthread_join(thread, NULL))
		return 2;
	printf("%d\n", hits);
	return 0;
}
