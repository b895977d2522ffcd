/* SPDX-License-Identifier: MIT */
/*
 * "count_traps FILE PROGRAM...": runs PROGRAM and all that it starts as its tracer, and writes to
 * FILE how many int3 they have executed. A trap is a SIGTRAP that the kernel raises for one.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static long traps;

/* The signal to pass on. */
static long look_at(pid_t pid, int status)
{
	siginfo_t info;

	if (status >> 16 == PTRACE_EVENT_STOP || status >> 16)
		return 0;
	if (WSTOPSIG(status) == SIGTRAP && ptrace(PTRACE_GETSIGINFO, pid, NULL, &info) == 0 &&
	    info.si_code == SI_KERNEL)
		traps++;
	return WSTOPSIG(status);
}

static int follow(pid_t first)
{
	int status, ret = 1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid < 0)
			continue;
		if (WIFSTOPPED(status)) {
			long signal = look_at(pid, status);

			if (status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP)
				ptrace(PTRACE_LISTEN, pid, NULL, NULL);
			else
				ptrace(PTRACE_CONT, pid, NULL, signal);
		} else if (pid == first) {
			ret = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
	}
	return ret;
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
			     PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	int ends[2], ret;
	char byte = 0;
	FILE *file;
	pid_t pid;

	if (argc < 3 || pipe(ends))
		return 2;
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		if (read(ends[0], &byte, 1) != 1)
			_exit(2);
		close(ends[0]);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	close(ends[0]);
	if (ptrace(PTRACE_SEIZE, pid, NULL, options)) {
		kill(pid, SIGKILL);
		return 77;
	}
	if (write(ends[1], &byte, 1) != 1)
		return 2;
	close(ends[1]);
	ret = follow(pid);
	file = fopen(argv[1], "w");
	if (!file)
		return 2;
	fprintf(file, "%ld\n", traps);
	fclose(file);
	return ret;
}
