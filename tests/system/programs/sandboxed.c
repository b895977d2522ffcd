/* SPDX-License-Identifier: MIT */
/*
 * "sandboxed N [strict]": calls target() once, enters a sandbox in which only write(), exit_group()
 * and rt_sigreturn() do not kill (strict: not the last), and calls it N times more.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALLOW(number)                                                                              \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                         \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

long target(long x);

__attribute__((noinline, visibility("default"))) long target(long x)
{
	__asm__ volatile("" : "+r"(x)); /* each call is made */
	return x * 3 + 1;
}

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_write),
		ALLOW(SYS_exit_group),
		ALLOW(argc > 2 ? SYS_write : SYS_rt_sigreturn),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};
	long count = argc > 1 ? atol(argv[1]) : 0, sum = target(1);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &filter))
		return 77;
	for (long i = 0; i < count; i++)
		sum += target(i);
	_exit(sum && write(1, "survived\n", 9) == 9 ? 0 : 1);
}
