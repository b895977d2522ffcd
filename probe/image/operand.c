/* SPDX-License-Identifier: MIT */
/*
 * Sizes are those of the processor's manual where compilers access the stack by such instructions; of
 * rare ones they are at least as large.
 */
#include "probe/image/operand.h"

#define EXTENDED(insn, bit, number) ((number) | ((insn)->rex & (bit) ? 8 : 0))

/* ---- operands ------------------------------------------------------------------------------ */

bool operand_is_legacy(const struct x86_insn *insn, enum x86_map map)
{
	return insn->encoding == X86_LEGACY && insn->map == map;
}

unsigned int operand_digit(const struct x86_insn *insn)
{
	return insn->modrm >> 3 & 7;
}

bool operand_is_memory(const struct x86_insn *insn)
{
	return insn->modrm_offset && insn->modrm < 0xc0;
}

bool operand_is_register(const struct x86_insn *insn)
{
	return insn->modrm_offset && insn->modrm >= 0xc0;
}

int operand_reg(const struct x86_insn *insn)
{
	return (int)EXTENDED(insn, X86_REX_R, operand_digit(insn));
}

int operand_rm(const struct x86_insn *insn)
{
	return (int)EXTENDED(insn, X86_REX_B, insn->modrm & 7u);
}

/* That the opcode byte itself names. */
int operand_in_opcode(const struct x86_insn *insn)
{
	return (int)EXTENDED(insn, X86_REX_B, insn->opcode & 7u);
}

/* The first byte of a VEX, EVEX or XOP prefix, behind others. */
static const uint8_t *vex_of(const struct x86_insn *insn)
{
	const uint8_t *ret = insn->bytes;

	while (*ret != 0xc4 && *ret != 0xc5 && *ret != 0x62 && *ret != 0x8f)
		ret++;
	return ret;
}

/* REX.B and REX.X, wherever they stand; there they are inverted (Intel SDM, "VEX Prefix"). */
static uint8_t extension(const struct x86_insn *insn)
{
	const uint8_t *vex;

	if (insn->encoding == X86_LEGACY)
		return insn->rex;
	vex = vex_of(insn);
	if (*vex == 0xc5)
		return 0;
	return (uint8_t)((vex[1] & 0x20 ? 0 : X86_REX_B) | (vex[1] & 0x40 ? 0 : X86_REX_X));
}

struct operand operand_memory(const struct x86_insn *insn)
{
	unsigned int mod = insn->modrm >> 6, high = extension(insn);
	int base_high = high & X86_REX_B ? 8 : 0, index_high = high & X86_REX_X ? 8 : 0;
	struct operand ret = {OPERAND_NONE, OPERAND_NONE, 1, x86_insn_is_rip_relative(insn)};

	if (ret.is_rip_relative)
		return ret;
	if (!insn->sib_offset) {
		ret.base = (insn->modrm & 7) + base_high;
		return ret;
	}
	if ((insn->sib & 7) != RBP || mod != 0)
		ret.base = (insn->sib & 7) + base_high;
	if ((insn->sib >> 3 & 7) + index_high != RSP)
		ret.index = (insn->sib >> 3 & 7) + index_high;
	ret.scale = 1u << (insn->sib >> 6);
	return ret;
}

/* ---- accesses ------------------------------------------------------------------------------ */

/* add or or of 0: a barrier with lock, or a look whether there is still room on the stack. */
static bool changes_nothing(const struct x86_insn *insn)
{
	return (insn->opcode == 0x81 || insn->opcode == 0x83) && operand_digit(insn) < 2 &&
	       insn->imm == 0;
}

/* lea, and what only hints: nop, prefetch. */
static bool only_computes(const struct x86_insn *insn)
{
	if (operand_is_legacy(insn, X86_MAP_1B))
		return insn->opcode == 0x8d || changes_nothing(insn);
	return operand_is_legacy(insn, X86_MAP_0F) &&
	       ((insn->opcode & 0xf8) == 0x18 || insn->opcode == 0x0d);
}

/* x87 (Intel SDM, "Escape Opcode Maps"): by opcode and operand_digit. */
static int64_t size_x87(const struct x86_insn *insn)
{
	static const uint8_t sizes[8][8] = {
		{4, 4, 4, 4, 4, 4, 4, 4}, {4, 0, 4, 4, 28, 2, 28, 2},
		{4, 4, 4, 4, 4, 4, 4, 4}, {4, 4, 4, 4, 0, 10, 0, 10},
		{8, 8, 8, 8, 8, 8, 8, 8}, {8, 8, 8, 8, 108, 0, 108, 2},
		{2, 2, 2, 2, 2, 2, 2, 2}, {2, 2, 2, 2, 10, 8, 10, 8},
	};

	return sizes[insn->opcode & 7][operand_digit(insn)];
}

/* movq, movd, movlps, movhps and the like: half of a vector register, or less. */
static bool is_half(uint8_t op, bool f3)
{
	if (op == 0x12 || op == 0x16)
		return !f3;
	return op == 0x13 || op == 0x17 || op == 0x6e || op == 0x7e || op == 0xd6;
}

/* Scalars: with F3 one of 32 bits, with F2 one of 64; integers that are converted may have both. */
static int64_t size_scalar(uint8_t op, bool f2, bool f3)
{
	bool is_scalar = op == 0x10 || op == 0x11 || op == 0x2a || op == 0x2c || op == 0x2d ||
			 op == 0xc2 || ((op & 0xf0) == 0x50 && op != 0x5b);

	if (is_half(op, f3))
		return 8;
	if (!is_scalar || !(f2 || f3))
		return 16;
	return f3 && op != 0x2a ? 4 : 8;
}

/* cmov, setcc, shifts, bit tests, movzx and the like. */
static bool is_integer_0f(const struct x86_insn *insn)
{
	uint8_t op = insn->opcode;

	return (op & 0xf0) == 0x40 || (op & 0xf0) == 0x90 || (op & 0xf0) == 0xa0 ||
	       (op & 0xf0) == 0xb0 || (op & 0xfe) == 0xc0 || op == 0xc3 || op < 0x10;
}

/* The lowest bit of an opcode says "not a byte", in families of old. */
static bool is_byte_one_byte(uint8_t op)
{
	return !(op & 1) && (op < 0x40 || op == 0x80 || (op >= 0x84 && op < 0x8c) || op == 0xa4 ||
			     op == 0xc0 || op == 0xc6 || (op & 0xfc) == 0xd0 || op >= 0xf6);
}

static bool is_byte_0f(uint8_t op)
{
	return (op & 0xf0) == 0x90 || op == 0xb0 || op == 0xb6 || op == 0xbe || op == 0xc0;
}

static int64_t size_integer(const struct x86_insn *insn)
{
	return insn->rex & X86_REX_W ? 8 : insn->prefixes & X86_PREFIX_66 ? 2 : 4;
}

/* Branches, push and pop have eight bytes of their own accord. */
static int64_t size_one_byte(const struct x86_insn *insn)
{
	if ((insn->opcode & 0xf8) == 0xd8)
		return size_x87(insn);
	if (is_byte_one_byte(insn->opcode))
		return 1;
	if (insn->opcode == 0x8f || insn->opcode == 0xff)
		return 8;
	return insn->opcode == 0x63 ? 4 : size_integer(insn);
}

#define SIZE_STATE 4096 /* fxsave, xsave: from 512 bytes on */

static int64_t size_0f(const struct x86_insn *insn)
{
	bool f2 = insn->prefixes & X86_PREFIX_F2, f3 = insn->prefixes & X86_PREFIX_F3;

	if (insn->opcode == 0xae)
		return operand_digit(insn) == 2 || operand_digit(insn) == 3 ||
				       operand_digit(insn) == 7
			       ? 8
			       : SIZE_STATE;
	if (insn->opcode == 0xc7)
		return operand_digit(insn) == 1 ? 16 : SIZE_STATE;
	if (is_integer_0f(insn))
		return is_byte_0f(insn->opcode) ? 1 : size_integer(insn);
	return size_scalar(insn->opcode, f2, f3);
}

/* The second of two bits of "pp" and the length, in the last byte of the prefix. */
static int64_t size_vex(const struct x86_insn *insn)
{
	const uint8_t *vex = vex_of(insn);
	uint8_t last = vex[insn->encoding == X86_EVEX ? 2 : *vex == 0xc5 ? 1 : 2];
	int64_t scalar = size_scalar(insn->opcode, (last & 3) == 3, (last & 3) == 2);

	if (insn->map == X86_MAP_0F && scalar < 16)
		return scalar;
	if (insn->encoding == X86_EVEX)
		return 16 << (vex[3] >> 5 & 3);
	return last & 4 ? 32 : 16;
}

/* How many bytes it may access. */
int64_t operand_size(const struct x86_insn *insn)
{
	if (insn->encoding != X86_LEGACY)
		return size_vex(insn);
	if (insn->map == X86_MAP_1B)
		return size_one_byte(insn);
	return insn->map == X86_MAP_0F ? size_0f(insn) : 16;
}

bool operand_is_accessed(const struct x86_insn *insn)
{
	return operand_is_memory(insn) && !only_computes(insn);
}

bool operand_is_byte(const struct x86_insn *insn)
{
	if (operand_is_legacy(insn, X86_MAP_1B))
		return is_byte_one_byte(insn->opcode) || (insn->opcode & 0xf8) == 0xb0;
	return operand_is_legacy(insn, X86_MAP_0F) && is_byte_0f(insn->opcode) &&
	       (insn->opcode & 0xf7) != 0xb6;
}
