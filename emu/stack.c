/* SPDX-License-Identifier: MIT */
/*
 * push, pop, pushf, popf, leave, enter. Memory is touched first and RSP moves last, so that a
 * fault leaves all as it was. What is pushed lands in the red zone below the interrupted RSP; the
 * signal frame is beneath that, out of the way (psABI, "The Stack Frame").
 */
#include "emu/arithmetic.h"

#define RUN(name, kind, type)                                                                      \
	EP_TRAP_PATH static bool name##_##kind##_##type(const struct emu_op *op,                   \
							struct ep_regs *regs)

#define DEFINE_PUSH_VALUE(type)                                                                    \
	EMU_INLINE bool push_##type(const struct emu_op *op, struct ep_regs *regs, type value)     \
	{                                                                                          \
		uint64_t rsp = regs->rsp - sizeof(type);                                           \
                                                                                                   \
		if (!sys_store_##type(rsp, value))                                                 \
			return false;                                                              \
		regs->rsp = rsp;                                                                   \
		return emu_done(op, regs);                                                         \
	}
DEFINE_PUSH_VALUE(uint16_t)
DEFINE_PUSH_VALUE(uint64_t)

/* push rsp stores the value from before; an address with rsp in it is formed before, too. */
#define PUSH(type)                                                                                 \
	RUN(push, r, type)                                                                         \
	{                                                                                          \
		return push_##type(op, regs, emu_read_##type(regs, op->dst));                      \
	}                                                                                          \
	RUN(push, ri, type)                                                                        \
	{                                                                                          \
		return push_##type(op, regs, (type)op->imm);                                       \
	}                                                                                          \
	RUN(push, mr, type)                                                                        \
	{                                                                                          \
		type value;                                                                        \
                                                                                                   \
		return sys_load_##type(emu_address(op, regs), &value) &&                           \
		       push_##type(op, regs, value);                                               \
	}
PUSH(uint16_t)
PUSH(uint64_t)

#define STACK_ROW(name, kind)                                                                      \
	{                                                                                          \
		[1] = name##_##kind##_uint16_t, [3] = name##_##kind##_uint64_t                     \
	}

const struct emu_variants emu_push = {{
	[EMU_KIND_R] = STACK_ROW(push, r),
	[EMU_KIND_RI] = STACK_ROW(push, ri),
	[EMU_KIND_MR] = STACK_ROW(push, mr),
}};

/* pop rsp ends with what was popped; an address with rsp in it is formed after the increment. */
#define POP(type)                                                                                  \
	RUN(pop, r, type)                                                                          \
	{                                                                                          \
		type value;                                                                        \
                                                                                                   \
		if (!sys_load_##type(regs->rsp, &value))                                           \
			return false;                                                              \
		regs->rsp += sizeof(type);                                                         \
		emu_write_##type(regs, op->dst, value);                                            \
		return emu_done(op, regs);                                                         \
	}                                                                                          \
	RUN(pop, mr, type)                                                                         \
	{                                                                                          \
		type value;                                                                        \
                                                                                                   \
		if (!sys_load_##type(regs->rsp, &value))                                           \
			return false;                                                              \
		regs->rsp += sizeof(type);                                                         \
		if (!sys_store_##type(emu_address(op, regs), value)) {                             \
			regs->rsp -= sizeof(type);                                                 \
			return false;                                                              \
		}                                                                                  \
		return emu_done(op, regs);                                                         \
	}
POP(uint16_t)
POP(uint64_t)

const struct emu_variants emu_pop = {{
	[EMU_KIND_R] = STACK_ROW(pop, r),
	[EMU_KIND_MR] = STACK_ROW(pop, mr),
}};

/* ---- flags --------------------------------------------------------------------------------- */

/* RF and VM are pushed as 0. */
#define PUSH_FLAGS(type)                                                                           \
	RUN(push_flags, r, type)                                                                   \
	{                                                                                          \
		return push_##type(op, regs, (type)(regs->rflags & 0xfcffff));                     \
	}
PUSH_FLAGS(uint16_t)
PUSH_FLAGS(uint64_t)

const struct emu_variants emu_push_flags = {{[EMU_KIND_R] = STACK_ROW(push_flags, r)}};

/*
 * Returning from a signal sets the status flags, DF and AC. The other flags that a program may
 * change (TF, NT, ID) it would not set, so where they do change the real popf must be run.
 */
#define POPPED	     (X86_STATUS_FLAGS | X86_DF | X86_AC)
#define NOT_RETURNED (X86_TF | X86_NT | X86_ID)

EMU_INLINE bool pop_flags(const struct emu_op *op, struct ep_regs *regs, uint64_t flags,
			  uint64_t size)
{
	if ((flags ^ regs->rflags) & NOT_RETURNED)
		return false;
	regs->rflags = (regs->rflags & ~(uint64_t)(POPPED | X86_RF)) | (flags & POPPED);
	regs->rsp += size;
	return emu_done(op, regs);
}

RUN(pop_flags, r, uint16_t)
{
	const uint64_t upper = 0xffffffffffff0000;
	uint16_t flags;

	return sys_load_uint16_t(regs->rsp, &flags) &&
	       pop_flags(op, regs, (regs->rflags & upper) | flags, sizeof(flags));
}

RUN(pop_flags, r, uint64_t)
{
	uint64_t flags;

	return sys_load_uint64_t(regs->rsp, &flags) && pop_flags(op, regs, flags, sizeof(flags));
}

const struct emu_variants emu_pop_flags = {{[EMU_KIND_R] = STACK_ROW(pop_flags, r)}};

/* ---- frames -------------------------------------------------------------------------------- */

RUN(leave, r, uint64_t)
{
	uint64_t frame = regs->rbp, saved;

	if (!sys_load_uint64_t(frame, &saved))
		return false;
	regs->rsp = frame + sizeof(saved);
	regs->rbp = saved;
	return emu_done(op, regs);
}

const struct emu_variants emu_leave = {{[EMU_KIND_R] = {[3] = leave_r_uint64_t}}};

/*
 * Nesting level 0 only: emu_prepare() sees to it. The processor checks that the new top of the
 * stack can be written, and so does an or with 0, which changes nothing.
 */
RUN(enter, ri, uint64_t)
{
	uint64_t frame = regs->rsp - sizeof(uint64_t), top = frame - (uint16_t)op->imm;
	uint32_t unused = 0, ok = 0, ax = emu_pack_flags(regs->rflags);
	uint8_t zero = 0;

	EMU_ON_MEMORY("orb %[src], (%[mem])", "r", top, unused, zero, ax, ok);
	if (!ok || !sys_store_uint64_t(frame, regs->rbp))
		return false;
	regs->rbp = frame;
	regs->rsp = top;
	return emu_done(op, regs);
}

const struct emu_variants emu_enter = {{[EMU_KIND_RI] = {[3] = enter_ri_uint64_t}}};
