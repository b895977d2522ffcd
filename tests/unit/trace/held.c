/* SPDX-License-Identifier: MIT */
/*
 * A thread is held up by ptrace(2) where it makes system calls, and what others do just then is done:
 * what they find half done must not mislead them.
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

#include "trace/action/record.h"
#include "trace/report/reader.h"

TestSuite(trace_held, .timeout = 60);

/* Of the process of whose threads one is held up, and of who holds it up. */
static struct {
	_Atomic int tid; /* of that thread */
	_Atomic bool may_go, is_held;
} * shared;

static struct trace_session session;
static char path[64];

static void wait_for(_Atomic bool *flag)
{
	while (!atomic_load(flag))
		sched_yield();
}

/* In the thread, before what is of interest. */
static void offer_to_hold(void)
{
	atomic_store(&shared->tid, (int)syscall(SYS_gettid));
	wait_for(&shared->may_go);
}

/* The process @run; its thread is held as soon as it offers that. */
static pid_t start(int (*run)(void))
{
	pid_t pid;
	int tid;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	cr_assert_neq(shared, MAP_FAILED);
	pid = fork();
	if (pid == 0)
		_exit(run());
	while (!(tid = atomic_load(&shared->tid))) {
		cr_assert_eq(waitpid(pid, NULL, WNOHANG), 0, "it ended before that");
		sched_yield();
	}
	if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) ||
	    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL)) {
		kill(pid, SIGKILL);
		cr_skip_test("no thread can be held up here: ptrace(2) is forbidden");
	}
	atomic_store(&shared->may_go, true);
	return pid;
}

/* To the beginning or the end of its next system call; false: it has none any more. */
static bool go_on(struct user_regs_struct *ret)
{
	int tid = atomic_load(&shared->tid), status;

	while (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			return ptrace(PTRACE_GETREGS, tid, NULL, ret) == 0;
		ptrace(PTRACE_SYSCALL, tid, NULL, NULL);
	}
	return false;
}

static void let_go(void)
{
	ptrace(PTRACE_SYSCALL, atomic_load(&shared->tid), NULL, NULL);
}

static void open_session(const struct trace_shape *shape)
{
	struct trace_session whole;
	int fd;

	cr_assert_eq(trace_session_create(shape, "", 0, &fd, &whole), 0);
	session = whole;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
}

/* ---- between having memory made larger and saying so ---------------------------------------- */

#define MUCH (100ul << 10) /* bytes: more than is mapped at first */

static struct trace_session growing;

static bool take_much(void)
{
	uint64_t at = trace_session_alloc(&growing, MUCH);
	char *memory = at ? trace_session_at(&growing, at, MUCH) : NULL;

	if (memory)
		memset(memory, 'x', MUCH);
	return memory;
}

static void *grow(void *unused)
{
	(void)unused;
	offer_to_hold();
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

Test(trace_held, a_fork_may_come_before_it_is_said_how_large_memory_is)
{
	struct user_regs_struct regs;
	int status = -1;
	pid_t pid;

	open_session(&trace_shape_launcher);
	cr_assert_eq(trace_session_open(path, &growing), 0);
	trace_session_started(&growing);
	pid = start(fork_while_held);
	while (go_on(&regs) && (regs.orig_rax != SYS_mremap || (long)regs.rax < 0))
		let_go();
	atomic_store(&shared->is_held, true);
	waitpid(atomic_load(&shared->tid), &status, __WALL); /* held until its process ends */
	waitpid(pid, &status, 0);
	cr_expect_eq(status, 0, "status %#x: the child has no memory", (unsigned int)status);
}

/* ---- while taking a ring --------------------------------------------------------------------- */

static const struct trace_shape small = {
	.process_max = 4, .ring_max = 4, .ring_size = 4096, .heap_size = 1 << 16, .heap_max = 1};
static const struct trace_program nothing = {.is_plain = true};
static struct trace_probe probe = {
	.view = {.group = "g", .event = "e", .place = "p", .program = &nothing}};

static void *hit(void *is_held)
{
	struct ep_regs regs = {0};

	if (is_held)
		offer_to_hold();
	trace_record(NULL, &regs, &probe);
	return NULL;
}

static int hit_twice(void)
{
	pthread_t thread;

	trace_session_process(&session, 0)->pid = getpid();
	if (trace_record_init(&session, 0, TRACE_FULL_DROP))
		return 2;
	for (int i = 0; i < 2; i++)
		if (pthread_create(&thread, NULL, hit, i ? shared : NULL) ||
		    pthread_join(thread, NULL))
			return 2;
	return 0;
}

/* A ring that was another's before, who is dead. */
Test(trace_held, a_ring_that_is_being_taken_is_not_freed)
{
	struct trace_arena arena = {0};
	struct trace_reader reader;
	static char buffer[1 << 20];
	struct trace_text text = {buffer, sizeof(buffer) - 1, 0};
	struct user_regs_struct regs;
	struct trace_ring *ring;
	uint64_t owner;
	int calls = 0, status;
	pid_t pid;

	open_session(&small);
	cr_assert_eq(trace_session_add_process(&session, 0, 1), 0);
	cr_assert_eq(trace_reader_init(&reader, &session, TRACE_FORMAT_TEXT, &arena), 0);
	reader.processes[0] = (struct trace_reader_process){&probe.view, 1, 77, 0};
	ring = trace_session_ring(&session, 0);
	pid = start(hit_twice);
	while (trace_reader_begin(&reader) && trace_reader_next(&reader, &text))
		;
	trace_reader_reap(&reader);
	cr_assert_eq(atomic_load(&ring->owner), 0, "the first thread's is free");
	for (; go_on(&regs); let_go()) {
		owner = atomic_load(&ring->owner);
		trace_reader_reap(&reader);
		cr_expect_eq(atomic_load(&ring->owner), owner, "freed in system call %lld",
			     regs.orig_rax);
		calls += owner != 0;
	}
	waitpid(pid, &status, 0);
	cr_expect_eq(status, 0);
	cr_expect_gt(calls, 0);
}
