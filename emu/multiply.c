/* SPDX-License-Identifier: MIT */
/*
 * mul, imul, div, idiv. Those with one operand work on rAX and rDX: they get the program's whole
 * registers, so that the processor itself keeps the parts that a size does not touch.
 *
 * A divide error must not be raised here. Whether the quotient fits is known beforehand; where it
 * does not, the emulator withdraws and the real instruction raises it.
 */
#include "emu/arithmetic.h"

#define NOT_8(X, ...)                                                                              \
	X(uint16_t, "w", __VA_ARGS__)                                                              \
	X(uint32_t, "l", __VA_ARGS__)                                                              \
	X(uint64_t, "q", __VA_ARGS__)

/* imul r, r/m */
#define IMUL2(type, suffix, ...)                                                                   \
	EMU_DEFINE_VALUE_FORM(type, suffix, imul2, "imul", r, "r", type,                           \
			      emu_read_##type(regs, op->src), true)                                \
	EMU_DEFINE_LOAD_FORM(type, suffix, imul2, "imul", true)
NOT_8(IMUL2)

const struct emu_variants emu_imul2 = {{
	[EMU_KIND_R] = EMU_ROW_NOT_8(imul2, r),
	[EMU_KIND_RM] = EMU_ROW_NOT_8(imul2, rm),
}};

/* imul r, r/m, imm: the product goes elsewhere, else it is the same. */
#define IMUL3(type, suffix, ...)                                                                   \
	EMU_INLINE bool imul3_##type(const struct emu_op *op, struct ep_regs *regs, type dst)      \
	{                                                                                          \
		type src = (type)op->imm;                                                          \
		uint32_t ax = emu_pack_flags(regs->rflags);                                        \
                                                                                                   \
		EMU_ON_VALUES("imul" suffix " %[src], %[dst]", "r", dst, src, ax);                 \
		emu_write_##type(regs, op->dst, dst);                                              \
		regs->rflags = emu_unpack_flags(regs->rflags, ax);                                 \
		return emu_done(op, regs);                                                         \
	}                                                                                          \
	EP_TRAP_PATH static bool imul3_r_##type(const struct emu_op *op, struct ep_regs *regs)     \
	{                                                                                          \
		return imul3_##type(op, regs, emu_read_##type(regs, op->src));                     \
	}                                                                                          \
	EP_TRAP_PATH static bool imul3_rm_##type(const struct emu_op *op, struct ep_regs *regs)    \
	{                                                                                          \
		type value;                                                                        \
                                                                                                   \
		return sys_load_##type(emu_address(op, regs), &value) &&                           \
		       imul3_##type(op, regs, value);                                              \
	}
NOT_8(IMUL3)

const struct emu_variants emu_imul3 = {{
	[EMU_KIND_R] = EMU_ROW_NOT_8(imul3, r),
	[EMU_KIND_RM] = EMU_ROW_NOT_8(imul3, rm),
}};

/* ---- does the quotient fit? ---------------------------------------------------------------- */

typedef unsigned __int128 uint128;

/* @high and @low are the dividend's halves of @bits each. */
EMU_INLINE bool quotient_fits(uint64_t high, uint64_t divisor)
{
	return high < divisor;
}

/*
 * |quotient| <= max  iff  |dividend| < |divisor| * (max + 1), where max is 2^(bits-1) for a
 * negative quotient and one less for a positive one. Everything fits 128 bits, and nothing divides.
 */
EMU_INLINE bool signed_quotient_fits(int64_t high, uint64_t low, int64_t divisor, unsigned int bits)
{
	uint128 dividend = (uint128)(__int128)high << (bits - 1) << 1 | low;
	bool negative = (high < 0) != (divisor < 0);
	uint128 magnitude = high < 0 ? -dividend : dividend;
	uint64_t by = divisor < 0 ? -(uint64_t)divisor : (uint64_t)divisor;
	uint64_t limit = ((uint64_t)1 << (bits - 1)) + negative;

	return magnitude < (uint128)by * limit;
}

/* Of 8 bits the dividend is AX; of others the halves are rDX and rAX. */
#define HIGH_uint8_t(regs)  ((regs)->rax >> 8)
#define HIGH_uint16_t(regs) ((regs)->rdx)
#define HIGH_uint32_t(regs) ((regs)->rdx)
#define HIGH_uint64_t(regs) ((regs)->rdx)

#define FITS_ALWAYS(type, signed_type)	 true
#define FITS_UNSIGNED(type, signed_type) quotient_fits((type)HIGH_##type(regs), src)
#define FITS_SIGNED(type, signed_type)                                                             \
	signed_quotient_fits((signed_type)HIGH_##type(regs), (type)regs->rax, (signed_type)src,    \
			     8 * sizeof(type))

/* ---- rAX, rDX := ... ----------------------------------------------------------------------- */

/* The flags give up AX for the one instruction; mov does not disturb them. */
#define WIDE(type, suffix, signed_type, name, mnemonic, fits)                                      \
	EMU_INLINE bool name##_##type(const struct emu_op *op, struct ep_regs *regs, type src)     \
	{                                                                                          \
		uint64_t a = regs->rax, d = regs->rdx;                                             \
		uint32_t ax = emu_pack_flags(regs->rflags);                                        \
                                                                                                   \
		if (!fits(type, signed_type))                                                      \
			return false;                                                              \
		__asm__ volatile(EMU_LOAD_FLAGS "movq %[a], %%rax\n\t" mnemonic suffix             \
						" %[src]\n\t"                                      \
						"movq %%rax, %[a]\n\t" EMU_SAVE_FLAGS              \
				 : "+&a"(ax), [a] "+&r"(a), "+&d"(d)                               \
				 : [src] "r"(src)                                                  \
				 : "cc");                                                          \
		regs->rax = a;                                                                     \
		regs->rdx = d;                                                                     \
		regs->rflags = emu_unpack_flags(regs->rflags, ax);                                 \
		return emu_done(op, regs);                                                         \
	}                                                                                          \
	EP_TRAP_PATH static bool name##_r_##type(const struct emu_op *op, struct ep_regs *regs)    \
	{                                                                                          \
		return name##_##type(op, regs, emu_read_##type(regs, op->dst));                    \
	}                                                                                          \
	EP_TRAP_PATH static bool name##_mr_##type(const struct emu_op *op, struct ep_regs *regs)   \
	{                                                                                          \
		type src;                                                                          \
                                                                                                   \
		return sys_load_##type(emu_address(op, regs), &src) &&                             \
		       name##_##type(op, regs, src);                                               \
	}

#define WIDE_SIZES(name, mnemonic, fits)                                                           \
	WIDE(uint8_t, "b", int8_t, name, mnemonic, fits)                                           \
	WIDE(uint16_t, "w", int16_t, name, mnemonic, fits)                                         \
	WIDE(uint32_t, "l", int32_t, name, mnemonic, fits)                                         \
	WIDE(uint64_t, "q", int64_t, name, mnemonic, fits)                                         \
	const struct emu_variants name = {{                                                        \
		[EMU_KIND_R] = EMU_ROW(name, r),                                                   \
		[EMU_KIND_MR] = EMU_ROW(name, mr),                                                 \
	}};

WIDE_SIZES(emu_mul, "mul", FITS_ALWAYS)
WIDE_SIZES(emu_imul, "imul", FITS_ALWAYS)
WIDE_SIZES(emu_div, "div", FITS_UNSIGNED)
WIDE_SIZES(emu_idiv, "idiv", FITS_SIGNED)
