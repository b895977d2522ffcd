/* SPDX-License-Identifier: MIT */
/*
 * SIGTRAP. An int3 of ours is looked up and serviced; all else is the program's.
 *
 *	int3 at the site -> kernel -> trap_handler -> handlers -> the plan's way on
 *	                                  |                           |
 *	                                  v                           v
 *	                     registers in the signal frame  ->  sigreturn: behind the
 *	                     are changed in place               instruction, or in a slot
 *
 * Of places of which only the first hit is wanted there is no site (cover.h).
 *
 * A thread may take the trap and find the site disarmed by the time it gets here: it tries again,
 * and executes the original byte, or traps again if the site is armed again (G3).
 */
#include "probe/trap/trap.h"

#include "fallback-xol/boost.h"
#include "probe/guest/sandbox.h"
#include "probe/site/cover.h"
#include "probe/site/hit.h"
#include "probe/site/registry.h"
#include "probe/thread/altstack.h"
#include "probe/thread/thread.h"
#include "probe/trap/deliver.h"
#include "x86/regs.h"

EP_TRAP_PATH static void note_resumed(uint64_t rip)
{
	struct probe_thread *thread = probe_thread_self();

	if (thread)
		thread->resumed = rip;
}

EP_TRAP_PATH static void service(struct probe_site *site, struct ep_regs *regs, void *ucontext)
{
	regs->rip = site->address;
	hit_handlers(site, regs, true);
	if (regs->rip != site->address)
		return; /* a handler sends the thread elsewhere */
	if (site->intercept && site->intercept(site, regs, ucontext))
		return;
	atomic_load_explicit(&site->resume, memory_order_acquire)(site, regs);
	note_resumed(regs->rip);
}

/* An int3 at @address: of a site, of a boundary, or of one that was there just now. */
EP_TRAP_PATH static bool is_serviced(uint64_t address, struct ep_regs *regs, void *ucontext)
{
	struct probe_site *site = registry_find(address);
	uint64_t entry;
	bool late;

	if (site && site_is_armed(site)) {
		service(site, regs, ucontext);
		return true;
	}
	entry = registry_find_boundary(address, &late);
	if (!entry && !site && cover_hit(address))
		entry = address;
	if (!entry && (site || late) && probe_thread_retries(address))
		entry = address;
	if (entry)
		regs->rip = entry;
	return entry != 0;
}

/* Did the thread come to @rip when the last of its traps was serviced? */
EP_TRAP_PATH static bool was_sent_to(uint64_t rip)
{
	struct probe_thread *thread = probe_thread_self();

	return thread && thread->resumed == rip;
}

/*
 * A SIGTRAP that was sent, and was pending when the thread came to an int3, takes the place of that
 * one's own: the kernel queues one of a kind. The int3 has been executed all the same, and what
 * would follow is the middle of an instruction; or, behind one of a single byte, the next.
 */
EP_TRAP_PATH static bool has_taken_the_place(const struct ep_regs *regs)
{
	uint64_t address = regs->rip - 1;
	struct probe_site *site = registry_find(address);
	bool late;

	if (site && site_is_armed(site) && registry_stands(site) &&
	    !atomic_load_explicit(&site->jump, memory_order_acquire))
		return site->insn.length > 1 || !was_sent_to(regs->rip);
	if (cover_stands(address))
		return true;
	return registry_find_boundary(address, &late) && !registry_find_boundary(regs->rip, &late);
}

/*
 * The program steps itself, by the trap flag, and is in the middle of a copy or a detour, from where it would
 * go back to its last whole instruction: for ever. That is no step of its own.
 */
EP_TRAP_PATH static bool is_step_of_ours(const siginfo_t *info, const struct ep_regs *regs)
{
	struct xol_origin origin;

	return info->si_code == TRAP_TRACE && xol_origin(regs->rip, &origin) &&
	       origin.resume != regs->rip;
}

EP_TRAP_PATH void trap_handler(int sig, siginfo_t *info, void *ucontext)
{
	ucontext_t *context = ucontext;
	struct ep_regs *regs = x86_regs_of_frame(context->uc_mcontext.gregs);
	bool is_done = info->si_code == SI_KERNEL ? is_serviced(regs->rip - 1, regs, ucontext)
						  : is_step_of_ours(info, regs);

	if (!is_done && info->si_code <= 0 && has_taken_the_place(regs))
		regs->rip--; /* it comes to the int3 again */
	if (!is_done)
		deliver_to_program(sig, info, context);
	if (altstack_is_missing() && !probe_thread_is_guest())
		altstack_install();
	altstack_leave(context);
	if (is_done)
		sandbox_return(context);
}
