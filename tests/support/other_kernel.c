/* SPDX-License-Identifier: MIT */
/*
 * Some guests have a kernel that is not in ring 0. Programs see the difference: it cannot return to a
 * stack pointer that is not canonical (SIGSEGV, whatever is there), the trap flag stops one
 * instruction late behind cpuid, nothing announces FSGSBASE, and traps cost five times as much. Few
 * have such a machine, and tests that pass without one may fail there. So this runs a program and
 * all its children as they would run there:
 *
 *	other-kernel [--no-fsgsbase] [--late-step] [--strict-return] [--trap-us=N] PROGRAM [ARG]...
 *
 * A tracer sees each signal before the program does, and each rt_sigreturn(2) by a seccomp filter,
 * which stops nothing else. What follows a return to such a stack is made by the processor itself:
 * the program is sent to an address that is not canonical either, and the fault that follows is
 * moved to where the program wanted to go.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOWHERE 0x8000000000000000ul /* not canonical */
#define OPTIONS                                                                                    \
	(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |     \
	 PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)
#define SYSCALL_STOP (SIGTRAP | 0x80)
#define THREADS_MAX  4096

static bool no_fsgsbase, late_step, strict_return;
static long trap_us;

/* Threads that have been sent nowhere, and where they wanted to go. */
static struct sent {
	pid_t tid;
	uint64_t rip;
} sent[THREADS_MAX];

static struct sent *find(pid_t tid)
{
	for (int i = 0; i < THREADS_MAX; i++)
		if (sent[i].tid == tid)
			return &sent[i];
	return NULL;
}

static bool is_canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* Behind rt_sigreturn(): the registers are those to go on with. */
static void after_sigreturn(pid_t tid)
{
	struct user_regs_struct regs;
	struct sent *one = find(0);

	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) || is_canonical(regs.rsp) || !one)
		return;
	*one = (struct sent){tid, regs.rip};
	regs.rip = NOWHERE;
	ptrace(PTRACE_SETREGS, tid, NULL, &regs);
}

static void bring_back(pid_t tid)
{
	struct user_regs_struct regs;
	struct sent *one = find(tid);

	if (!one || ptrace(PTRACE_GETREGS, tid, NULL, &regs) || regs.rip != NOWHERE)
		return;
	regs.rip = one->rip;
	ptrace(PTRACE_SETREGS, tid, NULL, &regs);
	*one = (struct sent){0, 0};
}

static bool is_late(pid_t tid)
{
	struct user_regs_struct regs;
	siginfo_t info;
	long word;

	if (ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) || info.si_code != TRAP_TRACE ||
	    ptrace(PTRACE_GETREGS, tid, NULL, &regs))
		return false;
	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, tid, regs.rip - 2, NULL);
	return !errno && (word & 0xffff) == 0xa20f; /* cpuid */
}

static void be_slow(void)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 <
	       trap_us);
}

/* @return the signal to deliver. */
static int on_signal(pid_t tid, int sig)
{
	if (sig == SIGSEGV)
		bring_back(tid);
	if (sig != SIGTRAP)
		return sig;
	be_slow();
	return late_step && is_late(tid) ? 0 : sig;
}

/* A new program: nothing in its auxiliary vector announces FSGSBASE. */
static void hide_fsgsbase(pid_t tid)
{
	struct user_regs_struct regs;
	Elf64_auxv_t entry;
	uint64_t word = 1;
	char path[64];
	off_t at;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", tid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ptrace(PTRACE_GETREGS, tid, NULL, &regs))
		exit(99);
	at = (off_t)regs.rsp + 8; /* argc; then arguments and environment, each with a NULL */
	for (int lists = 0; lists < 2; at += 8) {
		if (pread(fd, &word, sizeof(word), at) != (ssize_t)sizeof(word))
			exit(99);
		lists += word == 0;
	}
	for (; pread(fd, &entry, sizeof(entry), at) == (ssize_t)sizeof(entry) && entry.a_type;
	     at += (off_t)sizeof(entry)) {
		entry.a_un.a_val &= ~(uint64_t)2;
		if (entry.a_type == AT_HWCAP2 &&
		    pwrite(fd, &entry, sizeof(entry), at) != (ssize_t)sizeof(entry))
			exit(99);
	}
	close(fd);
}

static void go_on(pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16, request = PTRACE_CONT;
	long deliver = 0;

	if (sig == SYSCALL_STOP) {
		after_sigreturn(tid);
	} else if (event == PTRACE_EVENT_SECCOMP) {
		request = PTRACE_SYSCALL; /* to its end */
	} else if (event == PTRACE_EVENT_STOP) {
		if (sig != SIGTRAP) /* stopped as a group: stays so until SIGCONT */
			request = PTRACE_LISTEN;
	} else if (event == PTRACE_EVENT_EXEC) {
		if (no_fsgsbase)
			hide_fsgsbase(tid);
	} else if (!event) {
		deliver = on_signal(tid, sig);
	}
	ptrace((enum __ptrace_request)request, tid, NULL, deliver);
}

/* ---- start ----------------------------------------------------------------------------------- */

static void watch_sigreturn(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(99);
}

static pid_t start(char **command)
{
	pid_t pid = fork();

	if (pid == 0) {
		raise(SIGSTOP);
		if (strict_return)
			watch_sigreturn();
		execvp(command[0], command);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, NULL, WUNTRACED) != pid ||
	    ptrace(PTRACE_SEIZE, pid, NULL, OPTIONS)) {
		perror("other-kernel: skipped: ptrace");
		if (pid > 0)
			kill(pid, SIGKILL);
		exit(77);
	}
	kill(pid, SIGCONT);
	return pid;
}

static char **read_options(char **argv)
{
	for (argv++; *argv && strncmp(*argv, "--", 2) == 0; argv++) {
		no_fsgsbase |= strcmp(*argv, "--no-fsgsbase") == 0;
		late_step |= strcmp(*argv, "--late-step") == 0;
		strict_return |= strcmp(*argv, "--strict-return") == 0;
		if (strncmp(*argv, "--trap-us=", 10) == 0)
			trap_us = atol(*argv + 10);
	}
	return argv;
}

int main(int argc, char **argv)
{
	char **command = read_options(argv);
	int status, ret = 99;
	pid_t first, tid;

	(void)argc;
	if (!*command)
		return 2;
	first = start(command);
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFSTOPPED(status)) {
			go_on(tid, status);
		} else if (tid == first) {
			ret = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			break;
		}
	}
	return ret;
}
