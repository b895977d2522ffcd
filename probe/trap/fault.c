/* SPDX-License-Identifier: MIT */
/*
 * Faults. Four kinds are of our making and nobody else's business: an emulated access (the emulator
 * withdraws, and the real instruction faults by itself in its slot), a thread that wants to
 * execute a page which is being written, one that arrives at a boundary under a jump, and a look at
 * static TLS that is not there. All others are the program's.
 */
#include "probe/guest/sandbox.h"
#include "probe/guest/signals.h"
#include "probe/site/patch.h"
#include "probe/site/registry.h"
#include "probe/thread/altstack.h"
#include "probe/thread/thread.h"
#include "probe/trap/deliver.h"
#include "probe/trap/trap.h"
#include "sys/memory.h"
#include "x86/insn.h"
#include "x86/regs.h"

/* A boundary of a promoted site where a byte stands that is no instruction; or stood just now. */
EP_TRAP_PATH static bool at_boundary(struct ep_regs *regs)
{
	bool late;
	uint64_t entry = registry_find_boundary(regs->rip, &late);

	if (entry)
		regs->rip = entry;
	return entry || (late && probe_thread_retries(regs->rip));
}

/* A fetch from a page that is being written, or was just now. */
EP_TRAP_PATH static bool at_busy_page(const siginfo_t *info, const struct ep_regs *regs)
{
	uint64_t at = (uint64_t)info->si_addr;

	if (info->si_code != SEGV_ACCERR || at - regs->rip >= X86_INSN_MAX)
		return false;
	return patch_is_busy(at) || (patch_was_busy() && probe_thread_retries(regs->rip));
}

EP_TRAP_PATH static bool is_ours(int sig, const siginfo_t *info, struct ep_regs *regs)
{
	uint64_t fixup;

	if (info->si_code <= 0)
		return false; /* sent, not raised */
	if (sig == SIGSEGV && at_busy_page(info, regs))
		return true;
	if (sig == SIGILL)
		return at_boundary(regs);
	if (xol_detour_has_no_mark(regs, probe_thread_mark_offset()))
		return true;
	fixup = sys_fault_fixup(regs->rip);
	if (fixup)
		regs->rip = fixup;
	return fixup != 0;
}

EP_TRAP_PATH void fault_handler(int sig, siginfo_t *info, void *ucontext)
{
	ucontext_t *context = ucontext;

	if (is_ours(sig, info, x86_regs_of_frame(context->uc_mcontext.gregs))) {
		/* No altstack_leave(): a look at static TLS may be what has faulted, and would again. */
		sandbox_return(context);
		return;
	}
	deliver_to_program(sig, info, context);
	altstack_leave(context);
}
