/* SPDX-License-Identifier: MIT */
/*
 * A seccomp filter against some system calls, as sandboxes have it:
 *
 *	confined ACTION NAME[,NAME...] PROGRAM ARGUMENT...	executed behind the filter
 *	confined ACTION NAME[,NAME...]				works behind it itself
 *
 * ACTION is kill, errno (EPERM) or trap; or, as kernels that lack something answer, enosys or einval.
 *
 * NAME may be memfd_noexec, mprotect_exec, openat_write or mmap_exec: only with such arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const struct rule {
	const char *name;
	int number, argument; /* argument -1: any */
	unsigned int bits;
} known[] = {
	{"membarrier", SYS_membarrier, -1, 0},
	{"memfd_create", SYS_memfd_create, -1, 0},
	{"memfd_noexec", SYS_memfd_create, 1, 8 /* MFD_NOEXEC_SEAL, Linux 6.3 */},
	{"mprotect_exec", SYS_mprotect, 2, PROT_EXEC},
	{"mmap_exec", SYS_mmap, 2, PROT_EXEC},
	{"open_write", SYS_open, 1, O_RDWR},
	{"openat_write", SYS_openat, 2, O_RDWR},
	{"open", SYS_open, -1, 0},
	{"rt_sigaction", SYS_rt_sigaction, -1, 0},
	{"rt_sigreturn", SYS_rt_sigreturn, -1, 0},
	{"rt_sigprocmask", SYS_rt_sigprocmask, -1, 0},
	{"rt_sigqueueinfo", SYS_rt_tgsigqueueinfo, -1, 0},
	{"pwrite64", SYS_pwrite64, -1, 0},
	{"prlimit64", SYS_prlimit64, -1, 0},
	{"madvise", SYS_madvise, -1, 0},
	{"futex", SYS_futex, -1, 0},
	{"tgkill", SYS_tgkill, -1, 0},
	{"gettid", SYS_gettid, -1, 0},
	{"getpid", SYS_getpid, -1, 0},
	{"execve", SYS_execve, -1, 0},
	{"rseq", SYS_rseq, -1, 0},
	{"clone3", SYS_clone3, -1, 0},
	{"process_vm_readv", SYS_process_vm_readv, -1, 0},
	{"process_vm_writev", SYS_process_vm_writev, -1, 0},
};

static const struct rule *find(const char *name)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	fprintf(stderr, "confined: what is %s?\n", name);
	exit(98);
}

static unsigned int action_of(const char *name)
{
	if (strcmp(name, "kill") == 0)
		return SECCOMP_RET_KILL_PROCESS;
	if (strcmp(name, "trap") == 0)
		return SECCOMP_RET_TRAP;
	if (strcmp(name, "enosys") == 0)
		return SECCOMP_RET_ERRNO | ENOSYS;
	if (strcmp(name, "einval") == 0)
		return SECCOMP_RET_ERRNO | EINVAL;
	return SECCOMP_RET_ERRNO | EPERM;
}

static void confine(const char *action, char *names)
{
	struct sock_filter code[256];
	struct sock_fprog program = {0, code};
	unsigned short at = 0;

	for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
		const struct rule *rule = find(name);
		bool any = rule->argument < 0;
		unsigned int argument =
			(unsigned int)offsetof(struct seccomp_data, args[any ? 0 : rule->argument]);

		code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							  offsetof(struct seccomp_data, nr));
		code[at++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)rule->number, 0, any ? 1 : 3);
		if (!any) {
			code[at++] =
				(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument);
			code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,
								  rule->bits, 0, 1);
		}
		code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action_of(action));
	}
	code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = at;
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void *work(void *text)
{
	char copy[64];

	for (int i = 0; i < 200; i++) {
		char *piece = malloc(64 + (size_t)i);

		strcpy(piece, text);
		snprintf(copy, sizeof(copy), "%s %d", piece, i);
		free(piece);
	}
	return text;
}

static volatile sig_atomic_t handled;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	CHECK(sig != SIGSYS || info->si_code == 1 /* SYS_SECCOMP */);
	handled++;
}

/* What is forbidden must be refused as without us, the rest must work. */
static void work_confined(const char *action, const char *name)
{
	pthread_t thread;
	int status;

	work((void *)"alone");
	if (pthread_create(&thread, NULL, work, (void *)"thread") == 0)
		CHECK(pthread_join(thread, NULL) == 0);
	if (strcmp(action, "trap") == 0) {
		syscall(find(name)->number, -1, -1, -1, -1, -1);
		CHECK(handled == 1);
	} else if (strcmp(action, "errno") == 0) {
		CHECK(syscall(find(name)->number, -1, -1, -1, -1, -1) == -1 && errno == EPERM);
	}
	if (fork() == 0) {
		work((void *)"child");
		_exit(7);
	}
	CHECK(wait(&status) > 0 && WEXITSTATUS(status) == 7);
	CHECK(raise(SIGUSR1) == 0);
	CHECK(handled == 1 + (strcmp(action, "trap") == 0));
}

int main(int argc, char **argv)
{
	const struct sigaction handler = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	char name[64];

	CHECK(argc > 2);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(argv[2], ","), argv[2]);
	sigaction(SIGUSR1, &handler, NULL);
	if (argc == 3)
		sigaction(SIGSYS, &handler, NULL);
	confine(argv[1], argv[2]);
	if (argc > 3) {
		execvp(argv[3], argv + 3);
		return 97;
	}
	work_confined(argv[1], name);
	puts("done");
	return check_failures ? 1 : 5;
}
