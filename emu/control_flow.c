/* SPDX-License-Identifier: MIT */
/*
 * Near branches: they cannot be run elsewhere, so every one of them has to be performed here. The
 * targets of direct ones were computed when the operation was made ready.
 */
#include "emu/arithmetic.h"

/* Near branches are 64 bits wide: the last of the four sizes. */
#define BRANCH(name) EP_TRAP_PATH static bool name(const struct emu_op *op, struct ep_regs *regs)
#define ONLY_64(function)                                                                          \
	{                                                                                          \
		[3] = (function)                                                                   \
	}

EMU_INLINE bool go(struct ep_regs *regs, uint64_t target)
{
	regs->rip = target;
	return true;
}

/*
 * A target that is not canonical faults at the branch on some processors, at the target on others.
 * Neither is for us to say: the instruction itself is executed where the target is no address of a
 * user's memory.
 */
EMU_INLINE bool is_user_address(uint64_t target)
{
	return target >> 47 == 0;
}

BRANCH(jmp)
{
	return go(regs, op->target);
}
const struct emu_variants emu_jmp = {{[EMU_KIND_R] = ONLY_64(jmp)}};

BRANCH(jcc)
{
	bool taken = x86_condition(op->condition, regs->rflags);

	return go(regs, taken ? op->target : op->next);
}
const struct emu_variants emu_jcc = {{[EMU_KIND_R] = ONLY_64(jcc)}};

BRANCH(jmp_to_memory)
{
	uint64_t target;

	return sys_load_uint64_t(emu_address(op, regs), &target) && is_user_address(target) &&
	       go(regs, target);
}

BRANCH(jmp_to_register)
{
	uint64_t target = emu_read_uint64_t(regs, op->dst);

	return is_user_address(target) && go(regs, target);
}
const struct emu_variants emu_jmp_to = {{
	[EMU_KIND_R] = ONLY_64(jmp_to_register),
	[EMU_KIND_MR] = ONLY_64(jmp_to_memory),
}};

/* The target is read before the return address is pushed: call *%rsp, call *-8(%rsp). */
EMU_INLINE bool call_at(const struct emu_op *op, struct ep_regs *regs, uint64_t target)
{
	uint64_t rsp = regs->rsp - sizeof(op->next);

	if (!is_user_address(target) || !sys_store_uint64_t(rsp, op->next))
		return false;
	regs->rsp = rsp;
	return go(regs, target);
}

BRANCH(call)
{
	return call_at(op, regs, op->target);
}
const struct emu_variants emu_call = {{[EMU_KIND_R] = ONLY_64(call)}};

BRANCH(call_to_register)
{
	return call_at(op, regs, emu_read_uint64_t(regs, op->dst));
}

BRANCH(call_to_memory)
{
	uint64_t target;

	return sys_load_uint64_t(emu_address(op, regs), &target) && call_at(op, regs, target);
}
const struct emu_variants emu_call_to = {{
	[EMU_KIND_R] = ONLY_64(call_to_register),
	[EMU_KIND_MR] = ONLY_64(call_to_memory),
}};

/* The immediate of ret imm16 is unsigned, and 0 where there is none. */
BRANCH(ret)
{
	uint64_t target;

	if (!sys_load_uint64_t(regs->rsp, &target) || !is_user_address(target))
		return false;
	regs->rsp += sizeof(target) + (uint16_t)op->imm;
	return go(regs, target);
}
const struct emu_variants emu_ret = {{[EMU_KIND_R] = ONLY_64(ret), [EMU_KIND_RI] = ONLY_64(ret)}};

/* ---- rCX as the counter: ECX with an address size prefix ----------------------------------- */

EMU_INLINE uint64_t counter_of(const struct emu_op *op, uint64_t rcx)
{
	return rcx << op->unused_address_bits >> op->unused_address_bits;
}

BRANCH(jrcxz)
{
	return go(regs, counter_of(op, regs->rcx) ? op->next : op->target);
}
const struct emu_variants emu_jrcxz = {{[EMU_KIND_R] = ONLY_64(jrcxz)}};

EMU_INLINE bool loop_if(const struct emu_op *op, struct ep_regs *regs, bool goes_on)
{
	regs->rcx = counter_of(op, regs->rcx - 1);
	return go(regs, regs->rcx && goes_on ? op->target : op->next);
}

BRANCH(loop)
{
	return loop_if(op, regs, true);
}
const struct emu_variants emu_loop = {{[EMU_KIND_R] = ONLY_64(loop)}};

BRANCH(loope)
{
	return loop_if(op, regs, regs->rflags & X86_ZF);
}
const struct emu_variants emu_loope = {{[EMU_KIND_R] = ONLY_64(loope)}};

BRANCH(loopne)
{
	return loop_if(op, regs, !(regs->rflags & X86_ZF));
}
const struct emu_variants emu_loopne = {{[EMU_KIND_R] = ONLY_64(loopne)}};
