/* SPDX-License-Identifier: MIT */
/* add, or, adc, sbb, and, sub, xor, cmp, test; inc, dec, neg, not. */
#include "emu/arithmetic.h"

#define SRC_R(type) emu_read_##type(regs, op->src)
#define SRC_I(type) op->imm

#define BINARY_R(type, suffix, name, mnemonic, write_back)                                         \
	EMU_DEFINE_VALUE_FORM(type, suffix, name, mnemonic, r, "r", type, SRC_R(type), write_back)
#define BINARY_RI(type, suffix, name, mnemonic, write_back)                                        \
	EMU_DEFINE_VALUE_FORM(type, suffix, name, mnemonic, ri, "r", type, SRC_I(type), write_back)
#define BINARY_MR(type, suffix, name, mnemonic)                                                    \
	EMU_DEFINE_MEMORY_FORM(type, suffix, name, mnemonic, mr, "r", type, SRC_R(type))
#define BINARY_MI(type, suffix, name, mnemonic)                                                    \
	EMU_DEFINE_MEMORY_FORM(type, suffix, name, mnemonic, mi, "r", type, SRC_I(type))

#define BINARY(name, mnemonic, write_back)                                                         \
	EMU_SIZES(BINARY_R, name, mnemonic, write_back)                                            \
	EMU_SIZES(BINARY_RI, name, mnemonic, write_back)                                           \
	EMU_SIZES(EMU_DEFINE_LOAD_FORM, name, mnemonic, write_back)                                \
	EMU_SIZES(BINARY_MR, name, mnemonic)                                                       \
	EMU_SIZES(BINARY_MI, name, mnemonic)                                                       \
	const struct emu_variants name = {{                                                        \
		[EMU_KIND_R] = EMU_ROW(name, r),                                                   \
		[EMU_KIND_RI] = EMU_ROW(name, ri),                                                 \
		[EMU_KIND_RM] = EMU_ROW(name, rm),                                                 \
		[EMU_KIND_MR] = EMU_ROW(name, mr),                                                 \
		[EMU_KIND_MI] = EMU_ROW(name, mi),                                                 \
	}};

BINARY(emu_add, "add", true)
BINARY(emu_or, "or", true)
BINARY(emu_adc, "adc", true)
BINARY(emu_sbb, "sbb", true)
BINARY(emu_and, "and", true)
BINARY(emu_sub, "sub", true)
BINARY(emu_xor, "xor", true)
BINARY(emu_cmp, "cmp", false)
BINARY(emu_test, "test", false)

/* One operand: inc and dec keep CF, not keeps every flag, because they were loaded. */
#define UNARY_R(type, suffix, name, mnemonic)                                                      \
	EP_TRAP_PATH static bool name##_r_##type(const struct emu_op *op, struct ep_regs *regs)    \
	{                                                                                          \
		type dst = emu_read_##type(regs, op->dst);                                         \
		uint32_t unused = 0, ax = emu_pack_flags(regs->rflags);                            \
                                                                                                   \
		EMU_ON_VALUES(mnemonic suffix " %[dst]", "r", dst, unused, ax);                    \
		emu_write_##type(regs, op->dst, dst);                                              \
		regs->rflags = emu_unpack_flags(regs->rflags, ax);                                 \
		return emu_done(op, regs);                                                         \
	}
#define UNARY_M(type, suffix, name, mnemonic)                                                      \
	EP_TRAP_PATH static bool name##_mr_##type(const struct emu_op *op, struct ep_regs *regs)   \
	{                                                                                          \
		uint64_t address = emu_address(op, regs);                                          \
		uint32_t unused = 0, ok = 0, ax = emu_pack_flags(regs->rflags);                    \
                                                                                                   \
		EMU_ON_MEMORY(mnemonic suffix " (%[mem])", "r", address, unused, 0, ax, ok);       \
		if (!ok)                                                                           \
			return false;                                                              \
		regs->rflags = emu_unpack_flags(regs->rflags, ax);                                 \
		return emu_done(op, regs);                                                         \
	}
#define UNARY(name, mnemonic)                                                                      \
	EMU_SIZES(UNARY_R, name, mnemonic)                                                         \
	EMU_SIZES(UNARY_M, name, mnemonic)                                                         \
	const struct emu_variants name = {{                                                        \
		[EMU_KIND_R] = EMU_ROW(name, r),                                                   \
		[EMU_KIND_MR] = EMU_ROW(name, mr),                                                 \
	}};

UNARY(emu_inc, "inc")
UNARY(emu_dec, "dec")
UNARY(emu_neg, "neg")
UNARY(emu_not, "not")
