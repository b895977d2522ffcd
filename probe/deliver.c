// SPDX-License-Identifier: MIT
/*
 * Signals on their way to the program. One that arrives while a thread is in a slot or a detour
 * shows the original address and registers; if the program's handler leaves them as they are, the
 * thread goes on where it was, without a second hit. Nothing is held meanwhile: the handler may
 * jump away.
 */
#include "probe/deliver.h"

#include <stddef.h>

#include "fallback-xol/boost.h"
#include "probe/masks.h"
#include "probe/signals.h"
#include "probe/sites.h"
#include "probe/syscall.h"
#include "x86/regs.h"

#define KERNEL_SIZE 8u

/* Show the program the original address and registers of a thread in a slot or a detour. */
EP_TRAP_PATH static bool translate(siginfo_t *info, struct ep_regs *regs, struct xol_origin *ret)
{
	/* Raised by the instruction, with its address: SIGILL, SIGFPE. */
	bool here = info->si_code > 0 && (uint64_t)info->si_addr == regs->rip;

	if (!xol_origin(regs->rip, ret))
		return false;
	xol_origin_restore(ret, regs);
	if (here)
		info->si_addr = (void *)regs->rip;
	return true;
}

EP_TRAP_PATH static void set_mask(uint64_t mask)
{
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, KERNEL_SIZE);
}

EP_TRAP_PATH static void call_translated(const struct signals_action *action, uint64_t during,
					 int sig, siginfo_t *info, ucontext_t *context)
{
	struct ep_regs *regs = x86_regs_of_frame(context->uc_mcontext.gregs);
	struct xol_origin origin;
	bool translated = translate(info, regs, &origin);

	set_mask(during & ~SIGNALS_OWNED);
	action->handler(sig, info, context);
	if (!translated)
		return;
	set_mask(SIGNALS_HELD);
	if (regs->rip == origin.address)
		regs->rip = origin.resume;
}

/*
 * Call the program's handler with the registers and the mask as they would be without us. We come
 * here with everything blocked: whoever interrupts us, and unwinds, must find the frame below
 * translated.
 */
EP_TRAP_PATH static __attribute__((noinline)) void
call_program(const struct signals_action *action, int sig, siginfo_t *info, ucontext_t *context)
{
	uint64_t *mask = signals_mask(context), during;

	if (action->flags & SA_RESETHAND)
		signals_reset(sig);
	*mask |= masks_blocked();
	during = *mask | action->mask | (action->flags & SA_NODEFER ? 0 : SIGNALS_BIT(sig));
	masks_set_blocked(during);
	masks_note_delivery();
	call_translated(action, during, sig, info, context);
	masks_set_blocked(*mask);
	*mask &= ~SIGNALS_OWNED;
	masks_redeliver();
}

EP_TRAP_PATH void deliver_asynchronous(int sig, siginfo_t *info, void *ucontext)
{
	struct signals_action action;

	signals_get(sig, &action);
	if (!signals_is_handler(&action))
		return; /* changed by another thread just now */
	call_program(&action, sig, info, ucontext);
}

/*
 * Die of @sig with the registers and the text as they would be without us: send it again, blocked
 * until our handler has returned, and with nobody left to handle it.
 */
EP_TRAP_PATH static void die(int sig, siginfo_t *info, ucontext_t *context)
{
	struct ep_regs *regs = x86_regs_of_frame(context->uc_mcontext.gregs);
	struct signals_action action = {.flags = 0};
	struct xol_origin origin;
	uint64_t bit = SIGNALS_BIT(sig);
	long pid = sys0(SYS_getpid), tid = sys0(SYS_gettid);

	translate(info, regs, &origin);
	sites_restore_text();
	sys4(SYS_rt_sigaction, sig, &action, NULL, KERNEL_SIZE);
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &bit, NULL, KERNEL_SIZE);
	sys4(SYS_rt_tgsigqueueinfo, pid, tid, sig, info);
}

EP_TRAP_PATH void deliver_to_program(int sig, siginfo_t *info, ucontext_t *context)
{
	bool raised = info->si_code > 0; /* by an instruction of this thread */
	bool blocked = masks_blocked() & SIGNALS_BIT(sig);
	struct signals_action action;

	if (blocked && raised && masks_forget_adopted(sig))
		blocked = false;
	if (masks_is_hint(info)) {
		masks_take_hint();
		return;
	}
	signals_get(sig, &action);
	if (blocked && raised)
		die(sig, info, context);
	else if (blocked)
		masks_keep(sig, info);
	else if (signals_is_handler(&action))
		call_program(&action, sig, info, context);
	else if (raised || (uint64_t)action.handler == (uint64_t)SIG_DFL)
		die(sig, info, context);
}
