/* SPDX-License-Identifier: MIT */
/*
 * A signal that finds a thread in a guarded call shows the program the call itself: not yet made,
 * or just made. Which of both, and where the registers are, follows from the instruction alone, for
 * what entry.S does; for what it calls, from the frame that it has noted for the thread.
 */
#include "probe/guard/view.h"

#include <errno.h>
#include <stddef.h>

#include "fallback-xol/boost.h"
#include "fallback-xol/door.h"
#include "fallback-xol/guarded.h"
#include "probe/guard/entry.h"
#include "probe/guest/signals.h"
#include "probe/thread/altstack.h"
#include "probe/thread/thread.h"

#define OFFSET(field, number)                                                                      \
	_Static_assert(offsetof(struct guard_frame, field) == (number), "see entry.S")

OFFSET(data, GUARD_DATA);
OFFSET(end, GUARD_END);
OFFSET(cookie, GUARD_COOKIE);
OFFSET(state, GUARD_STATE);
OFFSET(mask, GUARD_MASK);
OFFSET(child, GUARD_CHILD);
OFFSET(call, GUARD_CALL);
_Static_assert(offsetof(struct guard_frame, regs) == 0, "see entry.S");
_Static_assert(offsetof(struct guard_call, rax) == 0 && offsetof(struct guard_call, rdi) == 8 &&
		       offsetof(struct guard_call, rsi) == 16 &&
		       offsetof(struct guard_call, rdx) == 24 &&
		       offsetof(struct guard_call, r10) == 32 &&
		       offsetof(struct guard_call, r8) == 40 &&
		       offsetof(struct guard_call, r9) == 48,
	       "see entry.S");
_Static_assert(GUARD_BEFORE == 0 && SIG_SETMASK == 2, "see entry.S");
_Static_assert(sizeof(struct guard_frame) == GUARD_SIZE, "see entry.S");
_Static_assert(offsetof(struct probe_thread, guarding) == GUARD_OF_THREAD, "see entry.S");

/*
 * What our functions take below the frame, at the most. A signal's frame is larger, with 512 bytes
 * for FXSAVE alone: so a handler of ours, interrupted before it has said that the call is left
 * (masks_leave()), is not taken for one of them.
 */
#define STACK_MAX 1024u

extern const uint8_t __start_ep_trap_path[],
	__stop_ep_trap_path[] __attribute__((visibility("hidden")));

EP_TRAP_PATH static inline uint64_t at(const uint8_t *label)
{
	return (uint64_t)label;
}

EP_TRAP_PATH static inline void copy_regs(struct ep_regs *to, const struct ep_regs *from)
{
	const uint64_t *source = (const uint64_t *)from;
	volatile uint64_t *target = (volatile uint64_t *)to;

	for (unsigned int i = 0; i < X86_REGS_COUNT; i++)
		target[i] = source[i];
}

EP_TRAP_PATH static void show_in_front(struct ep_regs *regs, const struct guard_frame *frame)
{
	copy_regs(regs, &frame->regs);
	regs->rip = frame->end - 2;
}

/* As the instruction leaves them (Intel SDM, SYSCALL). */
EP_TRAP_PATH static void show_behind(struct ep_regs *regs, const struct guard_frame *frame,
				     uint64_t result)
{
	copy_regs(regs, &frame->regs);
	regs->rax = result;
	regs->rip = regs->rcx = frame->end;
	regs->r11 = regs->rflags;
}

EP_TRAP_PATH static uint64_t address_of(const struct ep_regs *regs)
{
	return *(const uint64_t *)(regs->r11 + GUARDED_ADDRESS);
}

/* Before the registers are in the frame. */
EP_TRAP_PATH static void view_entry(struct ep_regs *regs)
{
	if (regs->rip != at((const uint8_t *)guard_enter))
		regs->rsp += GUARD_ROOM;
	if (regs->rip == at(guard_pushed))
		regs->rsp += 8;
	regs->rip = address_of(regs);
}

/* When they are the program's again. */
EP_TRAP_PATH static void view_pass(struct ep_regs *regs)
{
	if (regs->rip == at(guard_pass_moved))
		regs->rsp += GUARD_ROOM;
	regs->rip = address_of(regs);
}

EP_TRAP_PATH static void view_done(struct ep_regs *regs, struct guard_view *ret)
{
	struct xol_origin origin;

	if (regs->rip == at(guard_done_moved))
		regs->rsp += GUARD_ROOM;
	ret->found = GUARD_BEHIND;
	ret->resume = regs->rcx;
	if (xol_origin(regs->rcx, &origin))
		regs->rip = regs->rcx = origin.address;
}

/* RBX points to the frame, and the call is done. */
EP_TRAP_PATH static void view_behind(struct ep_regs *regs, uint64_t result, struct guard_view *ret)
{
	bool interrupted = regs->rip == at(guard_waited) && result == (uint64_t)-EINTR;

	ret->found = interrupted ? GUARD_WAITED : GUARD_BEHIND;
	ret->resume = *(const uint64_t *)(ret->frame->data + GUARDED_DONE);
	show_behind(regs, ret->frame, result);
}

EP_TRAP_PATH static void view_middle(struct ep_regs *regs, struct guard_view *ret)
{
	uint64_t rip = regs->rip;
	bool leaves = rip > at(guard_pass_jump) && (uint32_t)regs->r12 != GUARD_LEAVE_PASS;

	ret->frame = (struct guard_frame *)regs->rbx;
	if (rip == at(guard_waited))
		view_behind(regs, regs->rax, ret);
	else if ((rip > at(guard_waited) && rip < at(guard_pass)) || leaves)
		view_behind(regs, ret->frame->regs.rax, ret);
	else
		show_in_front(regs, ret->frame);
}

/* From the instruction at @first to the one at @last. */
EP_TRAP_PATH static bool is_between(uint64_t rip, const uint8_t *first, const uint8_t *last)
{
	return rip >= at(first) && rip <= at(last);
}

EP_TRAP_PATH static bool is_in_entry(uint64_t rip)
{
	return rip >= (uint64_t)guard_enter && rip < at(guard_entry_end);
}

/* In a door it is the program that calls. */
EP_TRAP_PATH static bool is_in_engine(uint64_t rip)
{
	return rip >= at(__start_ep_trap_path) && rip < at(__stop_ep_trap_path) &&
	       !xol_is_door(rip);
}

/* In what entry.S calls, or what that calls. */
EP_TRAP_PATH static struct guard_frame *frame_of_caller(const struct ep_regs *regs)
{
	struct probe_thread *thread = probe_thread_if_known();
	struct guard_frame *frame = thread ? thread->guarding : NULL;

	if (!frame || !is_in_engine(regs->rip) || (uint64_t)frame - regs->rsp > STACK_MAX ||
	    frame->cookie != (uint64_t)frame)
		return NULL;
	return frame;
}

/*
 * Between guard_work() and the call that opens the program's signals. What guard_work() has done
 * must not be done again, nor the rest be left out. A child of clone3() still points to its
 * parent's frame.
 */
EP_TRAP_PATH static bool is_before_opening(const struct ep_regs *regs)
{
	const struct guard_frame *frame = (const struct guard_frame *)regs->rbx;
	uint64_t rip = regs->rip;

	if (rip >= at(guard_clone))
		return true;
	return ((rip >= at(guard_saved) && rip < at(guard_waited)) ||
		(rip >= at(guard_leave) && rip < at(guard_left))) &&
	       frame->state == GUARD_WORKING;
}

EP_TRAP_PATH bool guard_is_working(const struct ep_regs *regs, uint64_t mask)
{
	const uint64_t held = SIGNALS_HELD & ~(SIGNALS_BIT(SIGKILL) | SIGNALS_BIT(SIGSTOP));
	const struct probe_thread *thread = probe_thread_if_known();
	const struct guard_frame *frame;
	bool waits = thread && thread->wait_timeout;

	if (is_in_entry(regs->rip))
		return is_before_opening(regs);
	/*
	 * One of our handlers; the next may come before the first has said what it blocks. The program
	 * may wait with just that mask, but then it is on its own stack.
	 */
	if ((mask & held) == held && is_in_engine(regs->rip) &&
	    (!waits || altstack_is_used(regs->rsp)))
		return true;
	frame = frame_of_caller(regs);
	/* While masks_wait() waits, the program's signals are open, and nothing is half done. */
	return frame && frame->state != GUARD_BEFORE && !waits;
}

EP_TRAP_PATH void guard_restart(struct ep_regs *regs, const struct guard_view *view)
{
	show_in_front(regs, view->frame);
}

EP_TRAP_PATH bool guard_view(struct ep_regs *regs, struct guard_view *ret)
{
	uint64_t rip = regs->rip;

	*ret = (struct guard_view){.found = GUARD_IN_FRONT};
	if (!is_in_entry(rip)) {
		ret->frame = frame_of_caller(regs);
		if (!ret->frame || ret->frame->state == GUARD_WORKING) {
			ret->found = GUARD_NOWHERE;
			ret->frame = NULL;
			return false;
		}
		show_in_front(regs, ret->frame);
	} else if (rip < at(guard_saved)) {
		view_entry(regs);
	} else if (is_between(rip, guard_done_moved, guard_done_jump)) {
		view_done(regs, ret);
	} else if (is_between(rip, guard_pass_moved, guard_pass_jump)) {
		view_pass(regs);
	} else {
		view_middle(regs, ret);
	}
	if (ret->found == GUARD_IN_FRONT)
		ret->resume = regs->rip;
	return true;
}
