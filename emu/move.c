/* SPDX-License-Identifier: MIT */
/*
 * What moves data without arithmetic: mov, lea, extensions, xchg, bswap, cmovcc, setcc; nop; and
 * the instructions that only write flags.
 */
#include "emu/arithmetic.h"

/* A function for each size that X names; the body uses op, regs and the size's type. */
#define RUN(name, kind, type)                                                                      \
	EP_TRAP_PATH static bool name##_##kind##_##type(const struct emu_op *op,                   \
							struct ep_regs *regs)

/* ---- mov ----------------------------------------------------------------------------------- */

#define MOV(type, ...)                                                                             \
	RUN(mov, r, type)                                                                          \
	{                                                                                          \
		emu_write_##type(regs, op->dst, emu_read_##type(regs, op->src));                   \
		return emu_done(op, regs);                                                         \
	}                                                                                          \
	RUN(mov, ri, type)                                                                         \
	{                                                                                          \
		emu_write_##type(regs, op->dst, (type)op->imm);                                    \
		return emu_done(op, regs);                                                         \
	}                                                                                          \
	RUN(mov, rm, type)                                                                         \
	{                                                                                          \
		type value;                                                                        \
                                                                                                   \
		if (!sys_load_##type(emu_address(op, regs), &value))                               \
			return false;                                                              \
		emu_write_##type(regs, op->dst, value);                                            \
		return emu_done(op, regs);                                                         \
	}                                                                                          \
	RUN(mov, mr, type)                                                                         \
	{                                                                                          \
		type value = emu_read_##type(regs, op->src);                                       \
                                                                                                   \
		return sys_store_##type(emu_address(op, regs), value) && emu_done(op, regs);       \
	}                                                                                          \
	RUN(mov, mi, type)                                                                         \
	{                                                                                          \
		return sys_store_##type(emu_address(op, regs), (type)op->imm) &&                   \
		       emu_done(op, regs);                                                         \
	}
EMU_SIZES(MOV)

const struct emu_variants emu_mov = {{
	[EMU_KIND_R] = EMU_ROW(mov, r),
	[EMU_KIND_RI] = EMU_ROW(mov, ri),
	[EMU_KIND_RM] = EMU_ROW(mov, rm),
	[EMU_KIND_MR] = EMU_ROW(mov, mr),
	[EMU_KIND_MI] = EMU_ROW(mov, mi),
}};

#define LEA(type)                                                                                  \
	RUN(lea, rm, type)                                                                         \
	{                                                                                          \
		emu_write_##type(regs, op->dst, (type)emu_offset(op, regs));                       \
		return emu_done(op, regs);                                                         \
	}
LEA(uint16_t)
LEA(uint32_t)
LEA(uint64_t)

const struct emu_variants emu_lea = {{[EMU_KIND_RM] = EMU_ROW_NOT_8(lea, rm)}};

/* ---- extensions: the source is smaller than the destination ------------------------------- */

#define EXTEND_TO(type, name, from, through)                                                       \
	RUN(name, r, type)                                                                         \
	{                                                                                          \
		through value = (through)emu_read_##from(regs, op->src);                           \
                                                                                                   \
		emu_write_##type(regs, op->dst, (type)value);                                      \
		return emu_done(op, regs);                                                         \
	}                                                                                          \
	RUN(name, rm, type)                                                                        \
	{                                                                                          \
		from value;                                                                        \
                                                                                                   \
		if (!sys_load_##from(emu_address(op, regs), &value))                               \
			return false;                                                              \
		emu_write_##type(regs, op->dst, (type)(through)value);                             \
		return emu_done(op, regs);                                                         \
	}
#define EXTEND(name, from, through)                                                                \
	EXTEND_TO(uint16_t, name, from, through)                                                   \
	EXTEND_TO(uint32_t, name, from, through)                                                   \
	EXTEND_TO(uint64_t, name, from, through)                                                   \
	const struct emu_variants name = {{                                                        \
		[EMU_KIND_R] = EMU_ROW_NOT_8(name, r),                                             \
		[EMU_KIND_RM] = EMU_ROW_NOT_8(name, rm),                                           \
	}};
EXTEND(emu_movzx8, uint8_t, uint8_t)
EXTEND(emu_movzx16, uint16_t, uint16_t)
EXTEND(emu_movsx8, uint8_t, int8_t)
EXTEND(emu_movsx16, uint16_t, int16_t)

/* Without REX.W it is a 32-bit mov; with 66 processors differ about how much is read. */
EXTEND_TO(uint32_t, movsxd, uint32_t, int32_t)
EXTEND_TO(uint64_t, movsxd, uint32_t, int32_t)

const struct emu_variants emu_movsxd = {{
	[EMU_KIND_R] = {[2] = movsxd_r_uint32_t, [3] = movsxd_r_uint64_t},
	[EMU_KIND_RM] = {[2] = movsxd_rm_uint32_t, [3] = movsxd_rm_uint64_t},
}};

/* cbw, cwde, cdqe: the lower half of rAX to all of it. */
#define WIDEN(type, from, through)                                                                 \
	RUN(cbw, r, type)                                                                          \
	{                                                                                          \
		through value = (through)(from)regs->rax;                                          \
                                                                                                   \
		emu_write_##type(regs, op->dst, (type)value);                                      \
		return emu_done(op, regs);                                                         \
	}
WIDEN(uint16_t, uint8_t, int8_t)
WIDEN(uint32_t, uint16_t, int16_t)
WIDEN(uint64_t, uint32_t, int32_t)

const struct emu_variants emu_cbw = {{[EMU_KIND_R] = EMU_ROW_NOT_8(cbw, r)}};

/* cwd, cdq, cqo: the sign of rAX all over rDX, which is dst. */
#define SPREAD(type, bits)                                                                         \
	RUN(cwd, r, type)                                                                          \
	{                                                                                          \
		bool negative = (type)regs->rax >> (bits - 1);                                     \
                                                                                                   \
		emu_write_##type(regs, op->dst, negative ? (type) ~(type)0 : (type)0);             \
		return emu_done(op, regs);                                                         \
	}
SPREAD(uint16_t, 16)
SPREAD(uint32_t, 32)
SPREAD(uint64_t, 64)

const struct emu_variants emu_cwd = {{[EMU_KIND_R] = EMU_ROW_NOT_8(cwd, r)}};

/* ---- exchanges ----------------------------------------------------------------------------- */

/* Registers only: with memory it locks, and is boosted. */
#define XCHG(type, ...)                                                                            \
	RUN(xchg, r, type)                                                                         \
	{                                                                                          \
		type dst = emu_read_##type(regs, op->dst), src = emu_read_##type(regs, op->src);   \
                                                                                                   \
		emu_write_##type(regs, op->dst, src);                                              \
		emu_write_##type(regs, op->src, dst);                                              \
		return emu_done(op, regs);                                                         \
	}
EMU_SIZES(XCHG)

const struct emu_variants emu_xchg = {{[EMU_KIND_R] = EMU_ROW(xchg, r)}};

RUN(bswap, r, uint32_t)
{
	uint32_t value = __builtin_bswap32(emu_read_uint32_t(regs, op->dst));

	emu_write_uint32_t(regs, op->dst, value);
	return emu_done(op, regs);
}

RUN(bswap, r, uint64_t)
{
	uint64_t value = __builtin_bswap64(emu_read_uint64_t(regs, op->dst));

	emu_write_uint64_t(regs, op->dst, value);
	return emu_done(op, regs);
}

/* 16 bits are undefined. */
const struct emu_variants emu_bswap = {
	{[EMU_KIND_R] = {[2] = bswap_r_uint32_t, [3] = bswap_r_uint64_t}}};

/* ---- by condition -------------------------------------------------------------------------- */

/* The source is read, and 32 bits are cleared above, whatever the condition. */
#define CMOV(type)                                                                                 \
	EMU_INLINE bool cmov_##type(const struct emu_op *op, struct ep_regs *regs, type src)       \
	{                                                                                          \
		type dst = emu_read_##type(regs, op->dst);                                         \
		bool moves = x86_condition(op->condition, regs->rflags);                           \
                                                                                                   \
		emu_write_##type(regs, op->dst, moves ? src : dst);                                \
		return emu_done(op, regs);                                                         \
	}                                                                                          \
	RUN(cmov, r, type)                                                                         \
	{                                                                                          \
		return cmov_##type(op, regs, emu_read_##type(regs, op->src));                      \
	}                                                                                          \
	RUN(cmov, rm, type)                                                                        \
	{                                                                                          \
		type src;                                                                          \
                                                                                                   \
		return sys_load_##type(emu_address(op, regs), &src) && cmov_##type(op, regs, src); \
	}
CMOV(uint16_t)
CMOV(uint32_t)
CMOV(uint64_t)

const struct emu_variants emu_cmov = {{
	[EMU_KIND_R] = EMU_ROW_NOT_8(cmov, r),
	[EMU_KIND_RM] = EMU_ROW_NOT_8(cmov, rm),
}};

RUN(set, r, uint8_t)
{
	emu_write_uint8_t(regs, op->dst, x86_condition(op->condition, regs->rflags));
	return emu_done(op, regs);
}

RUN(set, mr, uint8_t)
{
	uint8_t value = x86_condition(op->condition, regs->rflags);

	return sys_store_uint8_t(emu_address(op, regs), value) && emu_done(op, regs);
}

const struct emu_variants emu_set = {
	{[EMU_KIND_R] = {set_r_uint8_t}, [EMU_KIND_MR] = {set_mr_uint8_t}}};

/* ---- nothing, and flags alone -------------------------------------------------------------- */

EP_TRAP_PATH static bool nop(const struct emu_op *op, struct ep_regs *regs)
{
	return emu_done(op, regs);
}

/* The operands of a nop are not accessed. */
const struct emu_variants emu_nop = {{
	[EMU_KIND_R] = {nop, nop, nop, nop},
	[EMU_KIND_MR] = {nop, nop, nop, nop},
}};

/* With a register it is a nop on Intel's processors and undefined on AMD's. */
const struct emu_variants emu_prefetchw = {{[EMU_KIND_MR] = {nop, nop, nop, nop}}};

/* Every size: these have none. */
#define FLAGS(name, expression)                                                                    \
	EP_TRAP_PATH static bool name##_run(const struct emu_op *op, struct ep_regs *regs)         \
	{                                                                                          \
		regs->rflags = (expression);                                                       \
		return emu_done(op, regs);                                                         \
	}                                                                                          \
	const struct emu_variants name = {                                                         \
		{[EMU_KIND_R] = {name##_run, name##_run, name##_run, name##_run}}};
FLAGS(emu_cld, regs->rflags & ~(uint64_t)X86_DF)
FLAGS(emu_std, regs->rflags | X86_DF)
FLAGS(emu_clc, regs->rflags & ~(uint64_t)X86_CF)
FLAGS(emu_stc, regs->rflags | X86_CF)
FLAGS(emu_cmc, regs->rflags ^ X86_CF)

/* What lahf and sahf move: all status flags but OF. */
#define AH_FLAGS ((uint64_t)(X86_SF | X86_ZF | X86_AF | X86_PF | X86_CF))

FLAGS(emu_sahf, (regs->rflags & ~AH_FLAGS) | (regs->rax >> 8 & AH_FLAGS))

EP_TRAP_PATH static bool lahf(const struct emu_op *op, struct ep_regs *regs)
{
	const uint64_t ah = 0xff00;

	regs->rax = (regs->rax & ~ah) | ((regs->rflags & AH_FLAGS) | 2) << 8;
	return emu_done(op, regs);
}
const struct emu_variants emu_lahf = {{[EMU_KIND_R] = {lahf, lahf, lahf, lahf}}};
