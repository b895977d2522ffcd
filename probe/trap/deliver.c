/* SPDX-License-Identifier: MIT */
/*
 * Signals on their way to the program. One that arrives while a thread is in a slot, a detour or a
 * guarded call shows the original address and registers; if the program's handler leaves them as
 * they are, the thread goes on where it was, without a second hit. Nothing is held meanwhile: the
 * handler may jump away.
 *
 * The mask of a handler is that which was in force, and what the action adds. For one that has
 * ended a wait with a mask of its own that is the mask of the wait, while the kernel's frame holds
 * the one of before.
 */
#include "probe/trap/deliver.h"

#include <stddef.h>

#include "fallback-xol/boost.h"
#include "probe/guard/view.h"
#include "probe/guest/actions.h"
#include "probe/guest/masks.h"
#include "probe/guest/sandbox.h"
#include "probe/guest/signals.h"
#include "probe/site/sites.h"
#include "probe/thread/altstack.h"
#include "probe/thread/thread.h"
#include "sys/abi.h"
#include "sys/call.h"
#include "x86/regs.h"

/* The registers that the program is shown of a thread, and where the thread really goes on. */
struct shown {
	uint64_t address, resume;
	struct guard_view guard;
};

EP_TRAP_PATH static bool translate_slot(struct ep_regs *regs, struct shown *ret)
{
	struct xol_origin origin;

	if (!xol_origin(regs->rip, &origin))
		return false;
	xol_origin_restore(&origin, regs);
	ret->address = origin.address;
	ret->resume = origin.resume;
	return true;
}

/* Show the program the original address and registers. */
EP_TRAP_PATH static void translate(siginfo_t *info, struct ep_regs *regs, struct shown *ret)
{
	/* Raised by the instruction, with its address: SIGILL, SIGFPE. */
	bool here = info->si_code > 0 && (uint64_t)info->si_addr == regs->rip;

	ret->guard.found = GUARD_NOWHERE;
	ret->guard.frame = NULL;
	if (!translate_slot(regs, ret) && !guard_view(regs, &ret->guard)) {
		ret->address = ret->resume = regs->rip;
		return;
	}
	if (ret->guard.found != GUARD_NOWHERE) {
		ret->address = regs->rip;
		ret->resume = ret->guard.resume;
	}
	if (here)
		info->si_addr = (void *)regs->rip;
}

EP_TRAP_PATH static void set_mask(uint64_t mask)
{
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, SYS_SIGSET_SIZE);
}

/* The mask in force where the thread is; and in the frame, as the program should find it there. */
EP_TRAP_PATH static uint64_t show_mask(const struct shown *shown, uint64_t *mask)
{
	const struct guard_frame *frame = shown->guard.frame;

	if (frame && frame->state == GUARD_WORKING)
		*mask = frame->mask;
	if (frame)
		*mask &= ~SIGNALS_OWNED; /* see masks_defer() */
	*mask |= masks_blocked();
	return frame && shown->guard.found == GUARD_WAITED ? frame->wanted : *mask;
}

/*
 * Call the program's handler with the registers and the mask as they would be without us. We come
 * here with everything blocked: whoever interrupts us, and unwinds, must find the frame below
 * translated.
 */
EP_TRAP_PATH static __attribute__((noinline)) void call_program(const struct signals_action *action,
								int sig, siginfo_t *info,
								ucontext_t *context,
								const struct shown *shown)
{
	struct ep_regs *regs = x86_regs_of_frame(context->uc_mcontext.gregs);
	uint64_t *mask = signals_mask(context), during = show_mask(shown, mask);
	struct masks_left left;
	bool shown_stack;

	if (action->flags & SA_RESETHAND)
		signals_reset(sig);
	during |= action->mask | (action->flags & SA_NODEFER ? 0 : SIGNALS_BIT(sig));
	masks_set_blocked(during);
	masks_note_delivery();
	masks_leave(&left);
	if (left.lent)
		signals_return(); /* the handler may jump out of the execve() */
	shown_stack = altstack_show(context);
	set_mask(during & ~SIGNALS_OWNED);
	action->handler(sig, info, context);
	set_mask(SIGNALS_HELD);
	if (shown_stack)
		altstack_take(context);
	if (shown->guard.found == GUARD_NOWHERE) {
		masks_come_back(&left);
		if (left.lent)
			signals_lend();
	}
	if (regs->rip == shown->address)
		regs->rip = shown->resume;
	masks_set_blocked(*mask);
	*mask &= ~SIGNALS_OWNED;
	masks_redeliver();
}

/*
 * Die of @sig with the registers and the text as they would be without us: send it again, blocked
 * until our handler has returned, and with nobody left to handle it.
 */
EP_TRAP_PATH static void die(int sig, siginfo_t *info)
{
	struct signals_action action = {.flags = 0};
	uint64_t bit = SIGNALS_BIT(sig);
	long pid = sys0(SYS_getpid), tid = sys0(SYS_gettid);

	if (!probe_thread_is_guest()) /* whose text is its parent's */
		sites_restore_text();
	sys4(SYS_rt_sigaction, sig, &action, NULL, SYS_SIGSET_SIZE);
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &bit, NULL, SYS_SIGSET_SIZE);
	sys4(SYS_rt_tgsigqueueinfo, pid, tid, sig, info);
}

/* As if the kernel had called @function with the frame where it is now. */
#define BEGIN_AGAIN(function, sig, info, context, shift)                                           \
	__asm__ volatile("movq %[frame], %%rsp\n\t"                                                \
			 "jmp " #function                                                          \
			 :                                                                         \
			 : [frame] "r"((uint64_t)(context) - sizeof(void *) + (shift)), "D"(sig),  \
			   "S"((uint64_t)(info) + (shift)), "d"((uint64_t)(context) + (shift))     \
			 : "memory")

/* The kernel could not have put a frame there either. Others do without the room on the stack. */
EP_TRAP_PATH static __attribute__((noinline)) void die_of_full_stack(void)
{
	siginfo_t info = {.si_signo = SIGSEGV, .si_code = SI_KERNEL};

	die(SIGSEGV, &info);
}

/* What the kernel does where it finds no room for the frame of another signal. */
EP_TRAP_PATH static void deliver_full_stack(int sig, const struct signals_action *action,
					    siginfo_t *info, ucontext_t *context)
{
	if (action->flags & SA_RESETHAND)
		signals_reset(sig);
	*info = (siginfo_t){.si_signo = SIGSEGV, .si_code = SI_KERNEL};
	deliver_to_program(SIGSEGV, info, context);
}

EP_TRAP_PATH void deliver_asynchronous(int sig, siginfo_t *info, void *ucontext)
{
	ucontext_t *context = ucontext;
	struct signals_action action;
	enum altstack_moved moved;
	struct shown shown;
	uint64_t shift;

	masks_note_signal();
	actions_get(sig, &action);
	if (!signals_is_handler(&action))
		return; /* changed by another thread just now */
	sandbox_view(x86_regs_of_frame(context->uc_mcontext.gregs));
	moved = altstack_move(action.flags & SA_ONSTACK, context, &shift);
	if (moved == ALTSTACK_MOVED) {
		BEGIN_AGAIN(deliver_asynchronous, sig, info, context, shift);
		__builtin_unreachable();
	}
	if (moved == ALTSTACK_FULL) {
		deliver_full_stack(sig, &action, info, context);
		return;
	}
	translate(info, x86_regs_of_frame(context->uc_mcontext.gregs), &shown);
	call_program(&action, sig, info, context, &shown);
	altstack_leave(context);
}

/* The thread goes on as if the signal had not come, which may have ended a wait. */
EP_TRAP_PATH static void go_on(struct ep_regs *regs, uint64_t *mask, const struct shown *shown)
{
	const struct guard_frame *frame = shown->guard.frame;

	if (frame && frame->state == GUARD_WORKING)
		*mask = frame->mask & ~SIGNALS_OWNED;
	if (shown->guard.found == GUARD_WAITED)
		guard_restart(regs, &shown->guard);
	else
		regs->rip = shown->resume;
}

/* One that was sent, and has nothing to do with what the thread is doing. */
EP_TRAP_PATH static void deliver_sent(int sig, siginfo_t *info, ucontext_t *context,
				      const struct shown *shown)
{
	struct ep_regs *regs = x86_regs_of_frame(context->uc_mcontext.gregs);
	uint64_t *mask = signals_mask(context), blocked = masks_blocked();
	struct signals_action action;

	if (shown->guard.found == GUARD_WAITED)
		blocked = shown->guard.frame->wanted;
	signals_get_own(sig, &action);
	if (blocked & SIGNALS_BIT(sig))
		masks_keep(sig, info);
	else if (signals_is_handler(&action)) {
		call_program(&action, sig, info, context, shown);
		return;
	} else if ((uint64_t)action.handler == (uint64_t)SIG_DFL) {
		die(sig, info);
		return;
	}
	go_on(regs, mask, shown);
}

/* One that an instruction of this thread has raised. */
EP_TRAP_PATH static void deliver_raised(int sig, siginfo_t *info, ucontext_t *context,
					const struct shown *shown)
{
	bool blocked = masks_blocked() & SIGNALS_BIT(sig);
	struct signals_action action;

	if (blocked && masks_forget_adopted(sig))
		blocked = false;
	signals_get_own(sig, &action);
	if (!blocked && signals_is_handler(&action))
		call_program(&action, sig, info, context, shown);
	else
		die(sig, info);
}

EP_TRAP_PATH static enum altstack_moved move(int sig, const ucontext_t *context,
					     uint64_t *ret_shift)
{
	struct signals_action action;

	signals_get_own(sig, &action);
	if (!signals_is_handler(&action) || (masks_blocked() & SIGNALS_BIT(sig)))
		return ALTSTACK_STAYS;
	return altstack_move(action.flags & SA_ONSTACK, context, ret_shift);
}

EP_TRAP_PATH void deliver_to_program(int sig, siginfo_t *info, ucontext_t *context)
{
	struct ep_regs *regs = x86_regs_of_frame(context->uc_mcontext.gregs);
	enum altstack_moved moved;
	struct shown shown;
	uint64_t shift;

	masks_note_signal();
	sandbox_view(regs);
	if (info->si_code <= 0 && guard_is_working(regs, *signals_mask(context))) {
		masks_defer(sig, info, signals_mask(context));
		return;
	}
	moved = masks_is_hint(info) ? ALTSTACK_STAYS : move(sig, context, &shift);
	if (moved == ALTSTACK_MOVED) {
		BEGIN_AGAIN(deliver_to_program, sig, info, context, shift);
		__builtin_unreachable();
	}
	if (moved == ALTSTACK_FULL) {
		die_of_full_stack();
		return;
	}
	translate(info, regs, &shown);
	if (masks_is_hint(info)) {
		go_on(regs, signals_mask(context), &shown);
		masks_take_hint();
	} else if (info->si_code <= 0) {
		deliver_sent(sig, info, context, &shown);
	} else {
		deliver_raised(sig, info, context, &shown);
	}
}
