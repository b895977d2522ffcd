/* SPDX-License-Identifier: MIT */
/* Shifts and rotates, bit tests and bit scans. */
#include "emu/arithmetic.h"

/* The count is in CL whatever the encoding; 1 and an immediate are put there. */
#define COUNT_R	 emu_read_uint8_t(regs, op->src)
#define COUNT_RI op->imm

#define SHIFT_R(type, suffix, name, mnemonic)                                                      \
	EMU_DEFINE_VALUE_FORM(type, suffix, name, mnemonic, r, "c", uint8_t, COUNT_R, true)
#define SHIFT_RI(type, suffix, name, mnemonic)                                                     \
	EMU_DEFINE_VALUE_FORM(type, suffix, name, mnemonic, ri, "c", uint8_t, COUNT_RI, true)
#define SHIFT_MR(type, suffix, name, mnemonic)                                                     \
	EMU_DEFINE_MEMORY_FORM(type, suffix, name, mnemonic, mr, "c", uint8_t, COUNT_R)
#define SHIFT_MI(type, suffix, name, mnemonic)                                                     \
	EMU_DEFINE_MEMORY_FORM(type, suffix, name, mnemonic, mi, "c", uint8_t, COUNT_RI)
#define SHIFT(name, mnemonic)                                                                      \
	EMU_SIZES(SHIFT_R, name, mnemonic)                                                         \
	EMU_SIZES(SHIFT_RI, name, mnemonic)                                                        \
	EMU_SIZES(SHIFT_MR, name, mnemonic)                                                        \
	EMU_SIZES(SHIFT_MI, name, mnemonic)                                                        \
	const struct emu_variants name = {{                                                        \
		[EMU_KIND_R] = EMU_ROW(name, r),                                                   \
		[EMU_KIND_RI] = EMU_ROW(name, ri),                                                 \
		[EMU_KIND_MR] = EMU_ROW(name, mr),                                                 \
		[EMU_KIND_MI] = EMU_ROW(name, mi),                                                 \
	}};

SHIFT(emu_rol, "rol")
SHIFT(emu_ror, "ror")
SHIFT(emu_rcl, "rcl")
SHIFT(emu_rcr, "rcr")
SHIFT(emu_shl, "shl")
SHIFT(emu_shr, "shr")
SHIFT(emu_sar, "sar")

/* ---- bits ---------------------------------------------------------------------------------- */

/* X(type, suffix): no 8-bit forms. */
#define NOT_8(X, ...)                                                                              \
	X(uint16_t, "w", __VA_ARGS__)                                                              \
	X(uint32_t, "l", __VA_ARGS__)                                                              \
	X(uint64_t, "q", __VA_ARGS__)

/*
 * A register as bit number reaches far from a memory operand, in both directions; the instruction
 * finds the byte itself. An immediate stays inside the operand, in the size of which it is taken.
 */
#define BIT_R	    emu_read_uint64_t(regs, op->src)
#define BIT_I(type) (op->imm & (8 * sizeof(type) - 1))

#define BIT_FORMS(type, suffix, name, mnemonic, write_back)                                        \
	EMU_DEFINE_VALUE_FORM(type, suffix, name, mnemonic, r, "r", type, BIT_R, write_back)       \
	EMU_DEFINE_VALUE_FORM(type, suffix, name, mnemonic, ri, "r", type, BIT_I(type),            \
			      write_back)                                                          \
	EMU_DEFINE_MEMORY_FORM(type, suffix, name, mnemonic, mr, "r", type, BIT_R)                 \
	EMU_DEFINE_MEMORY_FORM(type, suffix, name, mnemonic, mi, "r", type, BIT_I(type))
#define BIT(name, mnemonic, write_back)                                                            \
	NOT_8(BIT_FORMS, name, mnemonic, write_back)                                               \
	const struct emu_variants name = {{                                                        \
		[EMU_KIND_R] = EMU_ROW_NOT_8(name, r),                                             \
		[EMU_KIND_RI] = EMU_ROW_NOT_8(name, ri),                                           \
		[EMU_KIND_MR] = EMU_ROW_NOT_8(name, mr),                                           \
		[EMU_KIND_MI] = EMU_ROW_NOT_8(name, mi),                                           \
	}};

BIT(emu_bt, "bt", false)
BIT(emu_bts, "bts", true)
BIT(emu_btr, "btr", true)
BIT(emu_btc, "btc", true)

#define SCAN_R(type, suffix, name, mnemonic)                                                       \
	EMU_DEFINE_VALUE_FORM(type, suffix, name, mnemonic, r, "r", type,                          \
			      emu_read_##type(regs, op->src), true)
#define SCAN_RM(type, suffix, name, mnemonic)                                                      \
	EMU_DEFINE_LOAD_FORM(type, suffix, name, mnemonic, true)
#define SCAN(name, mnemonic)                                                                       \
	NOT_8(SCAN_R, name, mnemonic)                                                              \
	NOT_8(SCAN_RM, name, mnemonic)                                                             \
	const struct emu_variants name = {{                                                        \
		[EMU_KIND_R] = EMU_ROW_NOT_8(name, r),                                             \
		[EMU_KIND_RM] = EMU_ROW_NOT_8(name, rm),                                           \
	}};

/* A processor without these takes them as others: here as there. */
SCAN(emu_popcnt, "popcnt")
SCAN(emu_tzcnt, "tzcnt")
SCAN(emu_lzcnt, "lzcnt")

/*
 * Of a source of 0 the destination is kept, and then all of it, even where 32 bits would clear the
 * upper half: the instruction is given the whole register.
 */
#define WHOLE_SCAN(type, name, insn)                                                               \
	EMU_INLINE bool name##_##type(const struct emu_op *op, struct ep_regs *regs, type src)     \
	{                                                                                          \
		uint64_t dst = emu_read_uint64_t(regs, op->dst);                                   \
		uint32_t ax = emu_pack_flags(regs->rflags);                                        \
                                                                                                   \
		EMU_ON_VALUES(insn, "r", dst, src, ax);                                            \
		emu_write_uint64_t(regs, op->dst, dst);                                            \
		regs->rflags = emu_unpack_flags(regs->rflags, ax);                                 \
		return emu_done(op, regs);                                                         \
	}                                                                                          \
	EP_TRAP_PATH static bool name##_r_##type(const struct emu_op *op, struct ep_regs *regs)    \
	{                                                                                          \
		return name##_##type(op, regs, emu_read_##type(regs, op->src));                    \
	}                                                                                          \
	EP_TRAP_PATH static bool name##_rm_##type(const struct emu_op *op, struct ep_regs *regs)   \
	{                                                                                          \
		type src;                                                                          \
                                                                                                   \
		return sys_load_##type(emu_address(op, regs), &src) &&                             \
		       name##_##type(op, regs, src);                                               \
	}
#define BIT_SCAN(name, mnemonic)                                                                   \
	WHOLE_SCAN(uint16_t, name, mnemonic "w %[src], %w[dst]")                                   \
	WHOLE_SCAN(uint32_t, name, mnemonic "l %[src], %k[dst]")                                   \
	WHOLE_SCAN(uint64_t, name, mnemonic "q %[src], %q[dst]")                                   \
	const struct emu_variants name = {{                                                        \
		[EMU_KIND_R] = EMU_ROW_NOT_8(name, r),                                             \
		[EMU_KIND_RM] = EMU_ROW_NOT_8(name, rm),                                           \
	}};

BIT_SCAN(emu_bsf, "bsf")
BIT_SCAN(emu_bsr, "bsr")
