/* SPDX-License-Identifier: MIT */
/*
 * What is changed of the thread is changed in an order in which it comes back by itself if the caller
 * dies in between (frame.c): first the way back is in its memory, then its registers lead there, then
 * signals are blocked, which the way back undoes.
 *
 * While the caller lives it does not take that way: the kernel gets back the very state in which the
 * thread was stopped, the interrupted system call included, and knows best how to go on from there.
 */
#include "attach/tracee.h"

#include <asm/unistd.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "include/emuprobe-attach.h"
#include "sys/interrupted.h"

#define PAUSE	      1000000l /* nanoseconds; another thread may take SIGCHLD */
#define SYSGOOD	      0x80
#define CALL_DEADLINE 2000000000ull

/* Of Linux 5.11, and 4.18. */
#define EPOLL_PWAIT2  441
#define IO_PGETEVENTS 333

#define ERESTARTNOHAND 514l /* linux/errno.h; not for programs */

#define BIT(sig) (1ull << ((sig)-1))
/* Not to be blocked: a fault, or a trap of an engine that is there, would kill. */
#define FAULTS (BIT(SIGTRAP) | BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGFPE))

uint64_t tracee_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* ---- stops --------------------------------------------------------------------------------- */

/* A status that waitpid() gave; SIGCHLD, which is blocked, says when to ask. 0: nothing by @deadline; -1: it is gone. */
static int wait_for(int tid, uint64_t deadline)
{
	const struct timespec pause = {.tv_nsec = PAUSE};
	sigset_t child;
	int status;
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while ((pid = waitpid(tid, &status, __WALL | WNOHANG)) == 0 && tracee_now() < deadline)
		sigtimedwait(&child, NULL, &pause);
	if (pid == 0)
		return 0;
	return pid < 0 || !WIFSTOPPED(status) ? -1 : status;
}

static int event_of(int status)
{
	return status >> 16;
}

/* By us, or by a signal for all of the process, which is none of our business. */
static bool is_interrupt(int status)
{
	return event_of(status) == PTRACE_EVENT_STOP && WSTOPSIG(status) == SIGTRAP;
}

static bool is_group_stop(int status)
{
	return event_of(status) == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP;
}

/* Signals that come first go where they were meant to go. */
static long pass_on(int tid, int status, int how)
{
	if (is_group_stop(status))
		return ptrace(PTRACE_LISTEN, tid, 0, 0);
	return ptrace((enum __ptrace_request)how, tid, 0,
		      (long)(event_of(status) ? 0 : WSTOPSIG(status)));
}

static int wait_for_interrupt(int tid, uint64_t deadline)
{
	int status;

	while ((status = wait_for(tid, deadline)) > 0 && !is_interrupt(status))
		if (is_group_stop(status) || pass_on(tid, status, PTRACE_CONT))
			return is_group_stop(status) ? EP_ATTACH_STOPPED : EP_ATTACH_ENDED;
	if (status < 0)
		return EP_ATTACH_ENDED;
	return status ? 0 : EP_ATTACH_NO_RESPONSE;
}

static bool read_target(const void *data, uint64_t at, void *ret, size_t size)
{
	return target_read(data, at, ret, size);
}

/* The number that the thread gave to its system call, if it is in one. */
static uint64_t number_of(const struct tracee *tracee)
{
	const struct user_regs_struct *regs = &tracee->state.regs;
	long number = -1;

	if (regs->orig_rax == __NR_restart_syscall)
		number = sys_interrupted_call(regs->rip, regs->rsp, read_target, tracee->target);
	return number < 0 ? regs->orig_rax : (uint64_t)number;
}

/*
 * Some calls end by EINTR when their thread stops (signal(7), "Interruption of system calls by stop signals"; and
 * those on sockets with a time limit), though no handler runs. They begin anew, unless one does: what the kernel does with
 * this value. One with a time to wait waits all of it again.
 */
static bool begin_anew(struct user_regs_struct *regs)
{
	static const uint64_t calls[] = {
		__NR_epoll_wait, __NR_epoll_pwait,     EPOLL_PWAIT2,	  __NR_semop,
		__NR_semtimedop, __NR_rt_sigtimedwait, __NR_io_getevents, IO_PGETEVENTS,
		__NR_read,	 __NR_write,	       __NR_recvfrom,	  __NR_sendto,
		__NR_recvmsg,	 __NR_sendmsg,	       __NR_recvmmsg,	  __NR_accept,
		__NR_accept4,
	};

	for (size_t i = 0; (long)regs->rax == -EINTR && i < sizeof(calls) / sizeof(calls[0]); i++)
		if (regs->orig_rax == calls[i])
			regs->rax = (uint64_t)-ERESTARTNOHAND;
	return (long)regs->rax == -ERESTARTNOHAND;
}

static bool read_state(struct tracee *tracee)
{
	struct frame_state *state = &tracee->state;
	struct iovec vectors = {state->vectors, sizeof(state->vectors)};

	if (ptrace(PTRACE_GETREGS, tracee->tid, 0, &state->regs) ||
	    ptrace(PTRACE_GETREGSET, tracee->tid, NT_X86_XSTATE, &vectors) ||
	    ptrace((enum __ptrace_request)PTRACE_GETSIGMASK, tracee->tid, sizeof(state->mask),
		   &state->mask))
		return false;
	tracee->is_changed = begin_anew(&state->regs); /* it gets them back, borrowed or not */
	state->vectors_size = vectors.iov_len;
	state->call = number_of(tracee);
	return true;
}

static int why_not_seized(int tid, int pid)
{
	if (errno == ESRCH)
		return EP_ATTACH_ENDED;
	return target_status(pid, tid, "TracerPid", 10) ? EP_ATTACH_TRACED
							: EP_ATTACH_NOT_PERMITTED;
}

/* It is stopped, or has gone: what it is stopped by is not passed on, there is nothing. */
static void let_go(int tid)
{
	ptrace(PTRACE_DETACH, tid, 0, 0);
}

int tracee_stop(struct target *target, int tid, uint64_t deadline, struct tracee *ret)
{
	int error;

	ret->target = target;
	ret->tid = tid;
	ret->is_changed = ret->is_gone = false;
	ret->begun = tracee_now();
	if (ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD))
		return why_not_seized(tid, target->pid);
	ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	error = wait_for_interrupt(tid, deadline);
	if (!error && !read_state(ret))
		error = EP_ATTACH_ENDED;
	if (error)
		let_go(tid);
	return error;
}

/* ---- changes ------------------------------------------------------------------------------- */

static bool set_mask(const struct tracee *tracee, uint64_t mask)
{
	return ptrace((enum __ptrace_request)PTRACE_SETSIGMASK, tracee->tid, sizeof(mask), &mask) ==
	       0;
}

void tracee_release(struct tracee *tracee)
{
	struct frame_state *state = &tracee->state;
	struct iovec vectors = {state->vectors, state->vectors_size};

	if (tracee->is_changed && !tracee->is_gone) {
		ptrace(PTRACE_SETREGSET, tracee->tid, NT_X86_XSTATE, &vectors);
		ptrace(PTRACE_SETREGS, tracee->tid, 0, &state->regs);
		set_mask(tracee, state->mask);
	}
	let_go(tracee->tid);
}

bool tracee_put_frame(struct tracee *tracee, uint64_t at)
{
	static unsigned char frame[FRAME_VECTORS_MAX + 2048];

	frame_put(&tracee->state, tracee->restore, at, frame);
	if (!target_write(tracee->target, at, frame, frame_size(&tracee->state)))
		return false;
	tracee->frame = at;
	return true;
}

static bool set_registers(struct tracee *tracee, const struct user_regs_struct *regs)
{
	if (ptrace(PTRACE_SETREGS, tracee->tid, 0, regs))
		return false;
	tracee->is_changed = true;
	return set_mask(tracee, ~FAULTS);
}

static bool next_stop(struct tracee *tracee, int how)
{
	uint64_t deadline = tracee_now() + CALL_DEADLINE;
	int status;

	if (ptrace((enum __ptrace_request)how, tracee->tid, 0, 0))
		return false;
	while ((status = wait_for(tracee->tid, deadline)) > 0) {
		if (WSTOPSIG(status) == (SIGTRAP | SYSGOOD) || is_interrupt(status))
			return true;
		if (pass_on(tracee->tid, status, how))
			return false;
	}
	return false;
}

/* Into the system call, and out of it. */
long tracee_call(struct tracee *tracee, const long call[7])
{
	struct user_regs_struct regs = tracee->state.regs;

	regs.rip = tracee->call;
	regs.rsp = tracee->frame;
	regs.rax = (unsigned long)call[0];
	regs.rdi = (unsigned long)call[1];
	regs.rsi = (unsigned long)call[2];
	regs.rdx = (unsigned long)call[3];
	regs.r10 = (unsigned long)call[4];
	regs.r8 = (unsigned long)call[5];
	regs.r9 = (unsigned long)call[6];
	regs.orig_rax = (unsigned long)-1;
	if (!tracee->is_gone && set_registers(tracee, &regs) && next_stop(tracee, PTRACE_SYSCALL) &&
	    next_stop(tracee, PTRACE_SYSCALL) && ptrace(PTRACE_GETREGS, tracee->tid, 0, &regs) == 0)
		return (long)regs.rax;
	tracee->is_gone = true;
	return -ESRCH;
}

bool tracee_run(struct tracee *tracee, uint64_t rip, uint64_t rsp, uint64_t rbx)
{
	struct user_regs_struct regs = tracee->state.regs;

	regs.rip = rip;
	regs.rsp = rsp;
	regs.rbx = rbx;
	regs.orig_rax = (unsigned long)-1;
	tracee->is_gone = tracee->is_gone || !set_registers(tracee, &regs) ||
			  ptrace(PTRACE_CONT, tracee->tid, 0, 0);
	return !tracee->is_gone;
}

void tracee_look(struct tracee *tracee)
{
	int status = wait_for(tracee->tid, 0);

	if (status < 0)
		tracee->is_gone = true;
	else if (status > 0)
		pass_on(tracee->tid, status, PTRACE_CONT);
}

bool tracee_stop_again(struct tracee *tracee, uint64_t deadline)
{
	if (tracee->is_gone)
		return false;
	ptrace(PTRACE_INTERRUPT, tracee->tid, 0, 0);
	return wait_for_interrupt(tracee->tid, deadline) == 0;
}
