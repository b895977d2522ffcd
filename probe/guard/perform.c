/* SPDX-License-Identifier: MIT */
/*
 * Wrapping sigprocmask() and friends does not help where libc blocks all signals by itself, with
 * raw system calls: while it starts and ends threads, forks, spawns, aborts. An int3 that is
 * reached there would kill the process. So it is the `syscall` instructions that are guarded
 * (scan.c), and this decides what becomes of a call: it is made as it is, or with SIGTRAP
 * taken out of the mask, or performed for the program.
 *
 * It happens on the program's stack, in front of the call, as if the instruction did it: no trap,
 * no signal frame. guard_decide() runs with the program's signals open and changes nothing; what
 * changes our picture of the program's signals is done by guard_work(), with all blocked.
 */
#include "probe/guard/perform.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "probe/guest/guest.h"
#include "probe/guest/masks.h"
#include "probe/guest/membarrier.h"
#include "probe/guest/sandbox.h"
#include "probe/guest/signals.h"
#include "probe/site/sites.h"
#include "probe/thread/altstack.h"
#include "probe/thread/name.h"
#include "probe/thread/thread.h"
#include "sys/abi.h"
#include "sys/call.h"
#include "sys/locked.h"
#include "sys/memory.h"

static _Atomic int32_t traced_guest; /* to be traced from its execve() on; 0: none */

EP_TRAP_PATH static long call(const struct ep_regs *regs)
{
	return sys6((long)regs->rax, (long)regs->rdi, (long)regs->rsi, (long)regs->rdx,
		    (long)regs->r10, (long)regs->r8, (long)regs->r9);
}

EP_TRAP_PATH static void set_call(struct guard_frame *frame)
{
	const struct ep_regs *regs = &frame->regs;
	struct guard_call *to = &frame->call;

	to->rax = regs->rax;
	to->rdi = regs->rdi;
	to->rsi = regs->rsi;
	to->rdx = regs->rdx;
	to->r10 = regs->r10;
	to->r8 = regs->r8;
	to->r9 = regs->r9;
}

/* ---- waits that have a mask ------------------------------------------------------------------ */

/* The argument that holds the pointer to the mask, and the size that is said; NULL: no such call. */
EP_TRAP_PATH static uint64_t *mask_argument(struct guard_call *regs, uint64_t *ret_size)
{
	switch (regs->rax) {
	case SYS_rt_sigsuspend:
		*ret_size = regs->rsi;
		return &regs->rdi;
	case SYS_ppoll:
		*ret_size = regs->r8;
		return &regs->r10;
	case SYS_pselect6:
		*ret_size = SYS_SIGSET_SIZE; /* of the mask: behind the pointer, see below */
		return &regs->r9;
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
		*ret_size = regs->r9;
		return &regs->r8;
	}
	return NULL;
}

/* Reads the mask that the program wants. False: there is none, or it is not as it should be. */
EP_TRAP_PATH static bool read_wanted(struct guard_frame *frame, uint64_t *argument)
{
	uint64_t from = *argument;

	if (frame->call.rax == SYS_pselect6) {
		if (!sys_read_memory(frame->pair, from, sizeof(frame->pair)) ||
		    frame->pair[1] != SYS_SIGSET_SIZE)
			return false;
		from = frame->pair[0];
	}
	return from && sys_read_memory(&frame->wanted, from, SYS_SIGSET_SIZE);
}

/* The kernel reads our copy of the mask, without the signals that we own. */
EP_TRAP_PATH static void put_waiting(struct guard_frame *frame, uint64_t *argument)
{
	frame->waiting = frame->wanted & ~SIGNALS_OWNED;
	*argument = (uint64_t)&frame->waiting;
	if (frame->call.rax == SYS_pselect6) {
		frame->pair[0] = (uint64_t)&frame->waiting;
		*argument = (uint64_t)frame->pair;
	}
}

/* What is kept of our own signals, and would end the wait at once. */
EP_TRAP_PATH static uint64_t waits_already(const struct guard_frame *frame)
{
	return masks_pending() & SIGNALS_OWNED & ~frame->wanted;
}

EP_TRAP_PATH static int decide_wait(struct guard_frame *frame)
{
	uint64_t size = 0, *argument;

	set_call(frame);
	argument = mask_argument(&frame->call, &size);
	if (!argument || !*argument || size != SYS_SIGSET_SIZE || !read_wanted(frame, argument))
		return GUARD_PASS;
	put_waiting(frame, argument);
	masks_set_waiting(~frame->wanted & SIGNALS_OWNED);
	return waits_already(frame) ? GUARD_WORK : GUARD_WAIT;
}

/* ---- signals -------------------------------------------------------------------------------- */

/* Does it leave alone what we own? Then the kernel does it as well as we, and cheaper. */
EP_TRAP_PATH static int decide_mask(const struct guard_frame *frame)
{
	uint64_t set;

	if (masks_blocked())
		return GUARD_WORK;
	if (!frame->regs.rsi || frame->regs.rdi == SIG_UNBLOCK ||
	    !sys_read_memory(&set, frame->regs.rsi, sizeof(set)))
		return GUARD_PASS;
	return set & SIGNALS_OWNED ? GUARD_WORK : GUARD_PASS;
}

EP_TRAP_PATH static int decide_sigtimedwait(const struct guard_frame *frame)
{
	uint64_t set;

	if (frame->regs.r10 != sizeof(set) ||
	    !sys_read_memory(&set, frame->regs.rdi, sizeof(set)) || !(set & SIGNALS_OWNED))
		return GUARD_PASS;
	return GUARD_WORK;
}

/* Of any other the kernel says EINVAL. */
EP_TRAP_PATH static bool is_valid(const struct timespec *timeout)
{
	return timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 && timeout->tv_nsec < 1000000000;
}

EP_TRAP_PATH static long wait_for_signal(struct guard_frame *frame)
{
	struct ep_regs *regs = &frame->regs;
	struct timespec timeout;
	siginfo_t info;
	uint64_t set;
	long ret;

	if (!sys_read_memory(&set, regs->rdi, sizeof(set)))
		return -EFAULT;
	if (regs->rdx && !sys_read_memory(&timeout, regs->rdx, sizeof(timeout)))
		return -EFAULT;
	if (regs->rdx && !is_valid(&timeout))
		return -EINVAL;
	ret = masks_wait(set, frame->mask, &info, regs->rdx ? &timeout : NULL);
	if (ret > 0 && regs->rsi && !sys_write_memory(regs->rsi, &info, sizeof(info)))
		ret = -EFAULT;
	return ret;
}

EP_TRAP_PATH static long add_pending(const struct ep_regs *regs)
{
	uint64_t pending = 0;
	long ret = sys2(SYS_rt_sigpending, &pending, sizeof(pending));

	pending |= masks_pending() & masks_blocked();
	if (!ret && !sys_write_memory(regs->rdi, &pending, sizeof(pending)))
		ret = -EFAULT;
	return ret;
}

/*
 * A handler that was running when the engine started returns to a mask of before, by libc's code;
 * those that came later return by ours.
 */
EP_TRAP_PATH static void return_from_handler(const struct ep_regs *regs)
{
	uint64_t at = regs->rsp + offsetof(ucontext_t, uc_sigmask), mask;
	ucontext_t *context = (ucontext_t *)regs->rsp;

	if (!sys_read_memory(&mask, at, sizeof(mask)))
		return;
	masks_set_blocked(mask);
	mask &= ~SIGNALS_OWNED;
	if (sys_write_memory(at, &mask, sizeof(mask)))
		altstack_leave(context);
}

/* ---- other programs ------------------------------------------------------------------------- */

/*
 * PTRACE_TRACEME, from a child that is about to execute something: from here on each of our traps
 * would stop it, and its parent waits for the one of execve(). A child with memory of its own gets
 * the original text back. That of vfork() shares its parent's, which cannot do anything until the
 * execve(): so it becomes traced there.
 */
EP_TRAP_PATH static int trace_me(struct ep_regs *regs)
{
	if (!guest_self()) {
		sites_restore_text();
		return GUARD_LEAVE_PASS;
	}
	traced_guest = (int32_t)sys0(SYS_getpid);
	regs->rax = 0;
	return GUARD_LEAVE_DONE;
}

EP_TRAP_PATH static void become_traced(const struct ep_regs *regs)
{
	if (traced_guest == 0 || traced_guest != (int32_t)sys0(SYS_getpid))
		return;
	if (regs->rax == SYS_execve && sys4(SYS_faccessat, AT_FDCWD, regs->rdi, X_OK, 0))
		return; /* it will come back, and try another path */
	traced_guest = 0;
	sys4(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}

/* The next program inherits what is blocked and ignored, so for a moment it is in the kernel. */
EP_TRAP_PATH static long execute(struct guard_frame *frame)
{
	uint64_t mask = frame->mask | masks_blocked(), all = ~0ul;
	struct probe_thread *thread = guest_self() ? NULL : probe_thread_self();
	long ret;

	signals_lend();
	if (thread)
		thread->lent = true;
	become_traced(&frame->regs);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	ret = call(&frame->regs);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
	signals_return();
	if (thread)
		thread->lent = false;
	all = SIGNALS_HELD;
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
	return ret;
}

/* ---- children with handlers of their own ------------------------------------------------------ */

EP_TRAP_PATH static bool read_arguments(const struct ep_regs *regs, struct clone_args *ret)
{
	return regs->rsi >= CLONE_ARGS_SIZE_VER0 && regs->rsi <= sizeof(*ret) &&
	       sys_read_memory(ret, regs->rdi, regs->rsi);
}

EP_TRAP_PATH static int decide_clone(const struct guard_frame *frame)
{
	const uint64_t shared = CLONE_SIGHAND | CLONE_THREAD; /* refused with the other */
	uint64_t flags;

	if (frame->regs.rsi < CLONE_ARGS_SIZE_VER0 || frame->regs.rsi > sizeof(struct clone_args) ||
	    !sys_read_memory(&flags, frame->regs.rdi, sizeof(flags)))
		return GUARD_PASS;
	return (flags & CLONE_CLEAR_SIGHAND) && !(flags & shared) ? GUARD_WORK : GUARD_PASS;
}

/* The child finds its frame right below its own stack pointer, as its parent does. */
EP_TRAP_PATH static bool make_child_frame(struct guard_frame *frame, const struct clone_args *args)
{
	uint64_t top = args->stack ? args->stack + args->stack_size : frame->regs.rsp;
	uint64_t at = top - GUARD_ROOM, rsp = frame->regs.rsp;
	bool ok;

	frame->child = at;
	if (!args->stack)
		return true;
	frame->regs.rsp = top;
	frame->cookie = at;
	ok = sys_write_memory(at, frame, sizeof(*frame));
	frame->regs.rsp = rsp;
	frame->cookie = (uint64_t)frame;
	return ok;
}

/*
 * CLONE_CLEAR_SIGHAND would take SIGTRAP's handler from a child that runs our text. So the flag is
 * taken from the call, and the child does what it says, but for the signals that we own.
 */
EP_TRAP_PATH static int clone_clear(struct guard_frame *frame)
{
	struct probe_thread *thread = probe_thread_self();
	struct clone_args args = {.flags = 0};

	if (!thread || !read_arguments(&frame->regs, &args) || !make_child_frame(frame, &args))
		return GUARD_LEAVE_PASS;
	args.flags &= ~(uint64_t)CLONE_CLEAR_SIGHAND;
	thread->clone_args = args;
	set_call(frame);
	frame->call.rdi = (uint64_t)&thread->clone_args;
	return GUARD_CLONE;
}

EP_TRAP_PATH void guard_child(struct guard_frame *frame)
{
	(void)frame;
	signals_clear();
}

/* ---- what the engine has prepared for itself --------------------------------------------------- */

EP_TRAP_PATH static int decide_membarrier(struct ep_regs *regs)
{
	long ret;

	if (!membarrier_answer((unsigned int)regs->rdi, (unsigned int)regs->rsi, &ret))
		return GUARD_PASS;
	regs->rax = (uint64_t)ret;
	return GUARD_DONE;
}

/* ---- sandboxes ------------------------------------------------------------------------------ */

/* The call itself is the program's affair. */
EP_TRAP_PATH static int decide_filter(const struct ep_regs *regs)
{
	if (regs->rax == SYS_seccomp
		    ? regs->rdi == SECCOMP_SET_MODE_FILTER
		    : regs->rdi == PR_SET_SECCOMP && regs->rsi == SECCOMP_MODE_FILTER)
		sandbox_filter(regs->rdx);
	return GUARD_PASS;
}

EP_TRAP_PATH static int decide_prctl(const struct ep_regs *regs)
{
	if (regs->rdi == PR_SET_NAME)
		probe_thread_note_name(regs->rsi);
	return decide_filter(regs);
}

/* ---- what is called ------------------------------------------------------------------------- */

EP_TRAP_PATH int guard_decide(struct guard_frame *frame)
{
	struct ep_regs *regs = &frame->regs;

	masks_set_waiting(0);
	if (altstack_is_missing() && !probe_thread_is_guest())
		altstack_install();
	switch (regs->rax) {
	case SYS_rt_sigaction:
	case SYS_execve:
	case SYS_execveat:
	case SYS_rt_sigreturn:
		return GUARD_WORK;
	case SYS_rt_sigprocmask:
		return decide_mask(frame);
	case SYS_rt_sigtimedwait:
		return decide_sigtimedwait(frame);
	case SYS_rt_sigpending:
		return regs->rsi == SYS_SIGSET_SIZE && (masks_pending() & masks_blocked())
			       ? GUARD_WORK
			       : GUARD_PASS;
	case SYS_ptrace:
		return regs->rdi == PTRACE_TRACEME ? GUARD_WORK : GUARD_PASS;
	case SYS_clone3:
		return decide_clone(frame);
	case SYS_membarrier:
		return decide_membarrier(regs);
	case SYS_sigaltstack:
		return altstack_is_hidden(regs->rdi) ? GUARD_WORK : GUARD_PASS;
	case SYS_mlockall:
		sys_note_mlockall();
		return GUARD_PASS;
	case SYS_prctl:
		return decide_prctl(regs);
	case SYS_seccomp:
		return decide_filter(regs);
	default:
		return decide_wait(frame);
	}
}

EP_TRAP_PATH static int work(struct guard_frame *frame)
{
	struct ep_regs *regs = &frame->regs;
	long ret;

	switch (regs->rax) {
	case SYS_rt_sigaction:
		ret = signals_sigaction((int)regs->rdi, regs->rsi, regs->rdx, regs->r10);
		break;
	case SYS_rt_sigprocmask:
		ret = signals_sigprocmask(&frame->mask, (int)regs->rdi, regs->rsi, regs->rdx,
					  regs->r10);
		break;
	case SYS_rt_sigtimedwait:
		ret = wait_for_signal(frame);
		break;
	case SYS_rt_sigpending:
		ret = add_pending(regs);
		break;
	case SYS_execve:
	case SYS_execveat:
		ret = execute(frame);
		break;
	case SYS_sigaltstack:
		ret = altstack_sigaltstack(regs->rdi, regs->rsi, regs->rsp);
		break;
	case SYS_rt_sigreturn:
		return_from_handler(regs);
		return GUARD_LEAVE_PASS;
	case SYS_ptrace:
		return trace_me(regs);
	case SYS_clone3:
		return clone_clear(frame);
	default:
		masks_send(waits_already(frame));
		return GUARD_WAIT_MASKED;
	}
	regs->rax = (uint64_t)ret;
	return GUARD_LEAVE_DONE;
}

EP_TRAP_PATH int guard_work(struct guard_frame *frame)
{
	uint64_t all = SIGNALS_HELD;
	int ret;

	/* One of our own signals, which may come at any time, must not take the mask of here for the
	   program's: it is put off, in the mask, too. */
	*(volatile uint64_t *)&frame->state = GUARD_BLOCKING;
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &all, &frame->mask, sizeof(all));
	frame->mask &= ~SIGNALS_OWNED;
	*(volatile uint64_t *)&frame->state = GUARD_WORKING;
	ret = work(frame);
	masks_redeliver();
	frame->mask &= ~SIGNALS_OWNED;
	return ret;
}
