/* SPDX-License-Identifier: MIT */
/*
 * A thread is sent to a slot by changing RIP in its signal frame, and comes back by itself:
 *
 *	probed:  int3 ...        slot:  copy of the instruction
 *	behind:  ...      <------------ jmp behind
 *
 * One trap instead of the two of a single-step. The price: a signal may arrive, and the copy may
 * fault, while RIP is in the slot. xol_origin() tells what the program would have seen.
 *
 * The slot is wanted where both the jump back and a RIP-relative operand are in reach. If all that
 * is taken, any other place will do: an absolute jump, and a scratch register for the operand.
 */
#include "fallback-xol/boost.h"

#include "fallback-xol/displace.h"
#include "fallback-xol/door.h"
#include "fallback-xol/head.h"
#include "fallback-xol/relocate.h"
#include "fallback-xol/stub.h"
#include "x86/encode.h"
#include "x86/regs.h"

/* ---- boost --------------------------------------------------------------------------------- */

/* Where a copy reaches what its original did; empty if there is no such address. */
static struct sys_window window_for(const struct x86_insn *insn)
{
	struct sys_window window = xol_code_reach(insn->address, 0);

	return sys_intersect(window, xol_displace_window(insn));
}

static int build_boost(const struct x86_insn *insn, struct xol_builder *to)
{
	int error = xol_relocate(insn, to);

	xol_build_jmp(to, x86_insn_end(insn));
	return error;
}

/* The code at the original's own address is the shortest that it can be. */
static size_t size_nearby(const struct x86_insn *insn,
			  int (*build)(const struct x86_insn *insn, struct xol_builder *to),
			  const struct xol_guard *guard)
{
	struct xol_builder builder;

	xol_build_start(&builder, insn->address, insn->address);
	builder.guard = guard;
	build(insn, &builder);
	return builder.size;
}

static int build_in(const struct x86_insn *insn, const struct xol_code *code,
		    int (*build)(const struct x86_insn *insn, struct xol_builder *to),
		    const struct xol_guard *guard)
{
	struct xol_builder builder;
	int error;

	xol_build_start(&builder, code->rx, insn->address);
	builder.guard = guard;
	error = build(insn, &builder);
	return error ? error : xol_build_finish(&builder, code);
}

static int make_slot(const struct x86_insn *insn,
		     int (*build)(const struct x86_insn *insn, struct xol_builder *to),
		     const struct xol_guard *guard, uint64_t *ret)
{
	size_t size = size_nearby(insn, build, guard);
	struct xol_code code;
	int error;

	error = xol_slot_alloc(window_for(insn), insn->address, size, &code);
	if (error == -EP_OUT_OF_REACH)
		error = xol_slot_alloc(SYS_ANYWHERE, insn->address,
				       XOL_RELOCATED_MAX + X86_JMP_ABS64_SIZE, &code);
	if (!error)
		error = build_in(insn, &code, build, guard);
	if (!error)
		*ret = code.rx;
	return error;
}

int xol_boost(const struct x86_insn *insn, uint64_t *ret)
{
	return xol_boost_guarded(insn, NULL, ret);
}

int xol_boost_guarded(const struct x86_insn *insn, const struct xol_guard *guard, uint64_t *ret)
{
	if (!xol_is_relocatable(insn))
		return -EP_NOT_BOOSTED;
	return make_slot(insn, build_boost, guard, ret);
}

/* ---- provoke ------------------------------------------------------------------------------- */

/* call r/m64 is FF /2, push r/m64 is FF /6: it loads from and stores to the same addresses. */
static struct x86_insn push_for_call(const struct x86_insn *call)
{
	struct x86_insn push = *call;

	push.modrm = (uint8_t)((call->modrm & ~0x38) | 6 << 3);
	push.bytes[push.modrm_offset] = push.modrm;
	return push;
}

/*
 * No register is free, and the operand may lie where the return address goes. So the target is
 * pushed there first, then once more below it, from where a `ret` goes there.
 */
static int build_call_indirect(const struct x86_insn *insn, struct xol_builder *to)
{
	struct x86_insn push = push_for_call(insn);
	int error;

	xol_build_step(to, insn->address, XOL_STATE_EXACT);
	error = xol_relocate_operand(&push, to);
	xol_build_step(to, insn->address, XOL_STATE_PUSHED);
	xol_build_return_below(to, insn->address, x86_insn_end(insn));
	return error;
}

static int build_call(const struct x86_insn *insn, struct xol_builder *to)
{
	xol_build_step(to, insn->address, XOL_STATE_EXACT);
	xol_build_push_value(to, insn->address, x86_insn_end(insn));
	xol_build_jmp(to, x86_insn_target(insn));
	return 0;
}

/* Where it leads does not depend on where it stands. */
static int build_plain(const struct x86_insn *insn, struct xol_builder *to)
{
	xol_build_step(to, insn->address, XOL_STATE_EXACT);
	return xol_relocate_operand(insn, to);
}

int xol_provoke(const struct x86_insn *insn, uint64_t *ret)
{
	switch (x86_insn_flow(insn)) {
	case X86_FLOW_CALL:
		return make_slot(insn, build_call, NULL, ret);
	case X86_FLOW_CALL_IND:
		return make_slot(insn, build_call_indirect, NULL, ret);
	case X86_FLOW_JMP_IND:
	case X86_FLOW_RET:
		return make_slot(insn, build_plain, NULL, ret);
	default:
		return -EP_NOT_EMULATED;
	}
}

/* ---- origin -------------------------------------------------------------------------------- */

/* A head is a jump to a detour: nothing has happened yet. */
EP_TRAP_PATH static bool head_origin(uint64_t rip, struct xol_origin *ret)
{
	uint64_t address = xol_head_find(rip);

	ret->address = address;
	ret->executed = false;
	ret->state = XOL_STATE_EXACT;
	ret->resume = rip;
	return address != 0;
}

EP_TRAP_PATH static bool stub_origin(uint64_t rip, struct xol_origin *ret)
{
	return xol_stub_origin(rip, &ret->address, &ret->state, &ret->resume, &ret->executed);
}

EP_TRAP_PATH static bool slot_origin(uint64_t rip, struct xol_origin *ret)
{
	const struct xol_slot *slot = xol_slot_find(rip);
	const struct xol_step *step;

	if (!slot)
		return false;
	if (rip - slot->rx >= slot->size)
		return false;
	step = slot->steps;
	for (unsigned int i = 1; i < slot->step_count && rip - slot->rx >= step[1].offset; i++)
		step++;
	ret->address = slot->address + (uint64_t)(int64_t)step->original;
	ret->executed = step->state & XOL_STATE_EXECUTED;
	ret->state = step->state;
	ret->resume = slot->rx + step->resume;
	if (step->state & XOL_STATE_SYSCALL) {
		step += !ret->executed;
		ret->rcx_from = ret->rcx_too = slot->rx + step->offset;
		if (slot->door)
			ret->rcx_too = xol_door_address(slot->door) + XOL_DOOR_DONE;
		ret->rcx_to = slot->address + (uint64_t)(int64_t)step->original;
	}
	return true;
}

/* In front of the call, that is where the slot leads to the door; behind it, where it goes on. */
EP_TRAP_PATH static bool door_origin(uint64_t rip, struct xol_origin *ret)
{
	uint64_t back;
	unsigned int door = xol_door_find(rip, &back);
	bool executed;

	if (!door)
		return false;
	executed = rip - xol_door_address(door) >= XOL_DOOR_DONE;
	return slot_origin(executed ? back : back - 1, ret);
}

EP_TRAP_PATH bool xol_origin(uint64_t rip, struct xol_origin *ret)
{
	return slot_origin(rip, ret) || door_origin(rip, ret) || stub_origin(rip, ret) ||
	       head_origin(rip, ret);
}

/* By how much RSP is too low. */
static const int16_t stack_distance[] = {
	[XOL_STATE_EXACT] = 0,
	[XOL_STATE_BELOW] = XOL_RED_ZONE,
	[XOL_STATE_SCRATCH] = XOL_RED_ZONE + sizeof(uint64_t),
	[XOL_STATE_PUSHED] = sizeof(uint64_t),
	[XOL_STATE_RAX_RCX] = XOL_RED_ZONE + 2 * sizeof(uint64_t),
	[XOL_STATE_PUSHED_TWICE] = 2 * sizeof(uint64_t),
	[XOL_STATE_POPPED] = -(int)sizeof(uint64_t),
};

EP_TRAP_PATH static void restore_stack(unsigned int state, struct ep_regs *regs)
{
	const uint64_t *saved = (const uint64_t *)regs->rsp;
	unsigned int stack = state & XOL_STATE_STACK;

	if (stack == XOL_STATE_SCRATCH) {
		((uint64_t *)regs)[x86_reg_index[state >> XOL_STATE_SCRATCH_SHIFT & 15]] = saved[0];
	} else if (stack == XOL_STATE_RAX_RCX) {
		regs->rax = saved[0];
		regs->rcx = saved[1];
	}
	regs->rsp += (uint64_t)(int64_t)stack_distance[stack];
}

EP_TRAP_PATH void xol_origin_restore(const struct xol_origin *origin, struct ep_regs *regs)
{
	restore_stack(origin->state, regs);
	if ((origin->state & XOL_STATE_SYSCALL) &&
	    (regs->rcx == origin->rcx_from || regs->rcx == origin->rcx_too))
		regs->rcx = origin->rcx_to;
	regs->rip = origin->address;
}
