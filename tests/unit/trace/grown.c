/* SPDX-License-Identifier: MIT */
/*
 * A thread is held up between having a part of the session made larger and saying so, by ptrace(2), at
 * the end of the system call; another one forks just then. The child, which is alone with what it knows
 * of its memory, must get more of it.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace/session/session.h"

TestSuite(trace_grown, .timeout = 60);

#define MUCH (100ul << 10) /* bytes: more than is mapped at first */

static struct trace_session session;

/* Of the process with the two threads, and of who holds one of them up. */
static struct {
	_Atomic int grower; /* its thread ID */
	_Atomic bool may_grow, is_held;
} * shared;

static bool take_much(void)
{
	uint64_t at = trace_session_alloc(&session, MUCH);
	char *memory = at ? trace_session_at(&session, at, MUCH) : NULL;

	if (memory)
		memset(memory, 'x', MUCH);
	return memory;
}

static void wait_for(_Atomic bool *flag)
{
	while (!atomic_load(flag))
		sched_yield();
}

static void *grow(void *unused)
{
	(void)unused;
	atomic_store(&shared->grower, (int)syscall(SYS_gettid));
	wait_for(&shared->may_grow);
	take_much();
	return NULL;
}

/* The status: 0, or 1 where the child of the fork got no memory. */
static int fork_while_held(void)
{
	pthread_t thread;
	int status = 1;
	pid_t pid;

	if (pthread_create(&thread, NULL, grow, NULL))
		return 2;
	wait_for(&shared->is_held);
	pid = fork();
	if (pid == 0)
		_exit(take_much() && take_much() ? 0 : 1);
	if (waitpid(pid, &status, 0) != pid)
		return 2;
	return status != 0;
}

static bool has_grown(pid_t grower)
{
	struct user_regs_struct regs;

	return ptrace(PTRACE_GETREGS, grower, NULL, &regs) == 0 && regs.orig_rax == SYS_mremap &&
	       (long)regs.rax > 0;
}

/* Until it has made the part larger, and is about to return. */
static bool hold(pid_t grower)
{
	int status;

	if (ptrace(PTRACE_SEIZE, grower, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) ||
	    ptrace(PTRACE_INTERRUPT, grower, NULL, NULL))
		return false;
	atomic_store(&shared->may_grow, true);
	while (waitpid(grower, &status, __WALL) == grower && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) && has_grown(grower))
			return true;
		if (ptrace(PTRACE_SYSCALL, grower, NULL, NULL))
			return false;
	}
	return false;
}

Test(trace_grown, a_fork_may_come_before_it_is_said)
{
	char path[64];
	int fd, status = -1;
	pid_t pid;

	cr_assert_eq(trace_session_create(&trace_shape_launcher, "", 0, &fd, &session), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	cr_assert_eq(trace_session_open(path, &session), 0);
	trace_session_started(&session);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	cr_assert_neq(shared, MAP_FAILED);
	pid = fork();
	if (pid == 0)
		_exit(fork_while_held());
	while (!atomic_load(&shared->grower))
		sched_yield();
	if (!hold(atomic_load(&shared->grower))) {
		kill(pid, SIGKILL);
		cr_skip_test("a thread cannot be held up here: ptrace(2) is forbidden");
	}
	atomic_store(&shared->is_held, true);
	/* It is held until its process ends. */
	waitpid(atomic_load(&shared->grower), &status, __WALL);
	waitpid(pid, &status, 0);
	cr_expect_eq(status, 0, "status %#x: the child has no memory", (unsigned int)status);
}
