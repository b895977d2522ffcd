/* SPDX-License-Identifier: MIT */
/* Read off the Intel SDM, "EFLAGS Cross-Reference". */
#include "x86/flags.h"

enum {
	U = X86_FLAGS_USED,
	R = X86_FLAGS_REPLACED,
	I = X86_FLAGS_IGNORED,
	/* By the reg field of the ModRM: eight uses of two bits each, reg 0 lowest. */
	IMMEDIATE, /* add, or, adc, sbb, and, sub, xor, cmp */
	GROUP_3,   /* test, test, not, neg, mul .. */
	GROUP_11,  /* mov, and xabort and xbegin */
};

static const uint8_t one_byte[256] = {
	[0x00 ... 0x05] = R, /* add */
	[0x08 ... 0x0d] = R, /* or */
	[0x20 ... 0x25] = R, /* and */
	[0x28 ... 0x2d] = R, /* sub */
	[0x30 ... 0x35] = R, /* xor */
	[0x38 ... 0x3d] = R, /* cmp */
	[0x50 ... 0x5f] = I, /* push, pop */
	[0x63] = I,	     /* movsxd */
	[0x68] = I,	     /* push */
	[0x6a] = I,	     /* push */
	[0x80 ... 0x81] = IMMEDIATE,
	[0x83] = IMMEDIATE,
	[0x84 ... 0x85] = R, /* test */
	[0x88 ... 0x8b] = I, /* mov */
	[0x8d] = I,	     /* lea */
	[0x90] = I,	     /* nop */
	[0x98 ... 0x99] = I, /* cdqe, cqo */
	[0xa0 ... 0xa3] = I, /* mov */
	[0xa8 ... 0xa9] = R, /* test */
	[0xb0 ... 0xbf] = I, /* mov */
	[0xc6 ... 0xc7] = GROUP_11,
	[0xc9] = I, /* leave */
	[0xf6 ... 0xf7] = GROUP_3,
};

/* The same for VEX and EVEX, but for comparisons, which are not among these. */
static const uint8_t two_byte[256] = {
	[0x10 ... 0x17] = I,			  /* movups .. */
	[0x18 ... 0x1f] = I,			  /* prefetch, nop, endbr64 */
	[0x28 ... 0x2d] = I,			  /* movaps, conversions */
	[0x51 ... 0x76] = I,			  /* vector arithmetic */
	[0x7c ... 0x7f] = I, [0xb6 ... 0xb7] = I, /* movzx */
	[0xbe ... 0xbf] = I,			  /* movsx */
	[0xc2 ... 0xc6] = I, [0xc8 ... 0xcf] = I, /* bswap */
	[0xd0 ... 0xfe] = I,			  /* vector arithmetic */
};

static enum x86_flags_use by_reg(unsigned int group, const struct x86_insn *insn)
{
	static const uint8_t uses[][8] = {
		[IMMEDIATE] = {R, R, U, U, R, R, R, R},
		[GROUP_3] = {R, R, I, R, U, U, U, U},
		[GROUP_11] = {I, U, U, U, U, U, U, U},
	};

	return group < IMMEDIATE ? group : uses[group][insn->modrm >> 3 & 7];
}

enum x86_flags_use x86_insn_flags_use(const struct x86_insn *insn)
{
	if (insn->map == X86_MAP_0F && insn->encoding != X86_XOP)
		return two_byte[insn->opcode];
	if (insn->map == X86_MAP_1B && insn->encoding == X86_LEGACY)
		return by_reg(one_byte[insn->opcode], insn);
	return X86_FLAGS_USED;
}
