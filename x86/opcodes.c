/* SPDX-License-Identifier: MIT */
/*
 * The opcode maps (Intel SDM, "Opcode Map"; AMD APM, "Opcode and Operand Encodings"), reduced to
 * what a length needs. Tests compare every entry with two other decoders.
 */
#include "x86/opcodes.h"

#include <stddef.h>

#define M X86_MODRM
#define P X86_PLAIN
#define B X86_IMM8
#define Z X86_IMMZ
/* The /digits that are plain, one bit each. */
#define D(digits) ((digits) << 8)

static const uint16_t one_byte[256] = {
/* add, or, adc, sbb, and, sub, xor, cmp: r/m8, r8 .. rAX, imm */
#define ALU(base)                                                                                  \
	[(base) + 0x00] = M | P, [(base) + 0x01] = M | P, [(base) + 0x02] = M | P,                 \
		  [(base) + 0x03] = M | P, [(base) + 0x04] = P | B, [(base) + 0x05] = P | Z,       \
		  [(base) + 0x06] = X86_NONE, [(base) + 0x07] = X86_NONE
	ALU(0x00),
	ALU(0x08),
	ALU(0x10),
	ALU(0x18),
	ALU(0x20),
	ALU(0x28),
	ALU(0x30),
	ALU(0x38),
	[0x50 ... 0x5f] = P,	    /* push, pop */
	[0x60 ... 0x62] = X86_NONE, /* pusha, popa, bound; 62 is EVEX */
	[0x63] = M | P,		    /* movsxd */
	[0x68] = P | Z,		    /* push imm */
	[0x69] = M | P | Z,	    /* imul */
	[0x6a] = P | B,		    /* push imm8 */
	[0x6b] = M | P | B,	    /* imul */
	[0x6c ... 0x6f] = P,	    /* ins, outs */
	[0x70 ... 0x7f] = P | B,    /* jcc rel8 */
	[0x80] = M | P | B,	    /* add .. cmp r/m8, imm8 */
	[0x81] = M | P | Z,	    /* add .. cmp r/m, imm */
	[0x82] = X86_NONE,
	[0x83] = M | P | B,	 /* add .. cmp r/m, imm8 */
	[0x84 ... 0x8b] = M | P, /* test, xchg, mov */
	[0x8c] = M,		 /* mov r/m, sreg */
	[0x8d] = M | P,		 /* lea */
	[0x8e] = M,		 /* mov sreg, r/m */
	[0x8f] = M | D(1),	 /* pop r/m */
	[0x90 ... 0x99] = P,	 /* nop, xchg, cdqe, cqo */
	[0x9a] = X86_NONE,	 /* call far */
	[0x9b ... 0x9f] = P,	 /* fwait, pushf, popf, sahf, lahf */
	[0xa0 ... 0xa3] = P | X86_MOFFS,
	[0xa4 ... 0xa7] = P, /* movs, cmps */
	[0xa8] = P | B,	     /* test */
	[0xa9] = P | Z,
	[0xaa ... 0xaf] = P,	 /* stos, lods, scas */
	[0xb0 ... 0xb7] = P | B, /* mov r8, imm8 */
	[0xb8 ... 0xbf] = P | X86_IMMV,
	[0xc0 ... 0xc1] = M | P | B, /* shifts and rotates by imm8 */
	[0xc2] = P | X86_IMM16,	     /* ret imm16 */
	[0xc3] = P,
	[0xc4 ... 0xc5] = X86_NONE, /* VEX */
	[0xc6] = M | D(1) | B,	    /* mov r/m8, imm8; xabort */
	[0xc7] = M | D(1) | Z,	    /* mov r/m, imm; xbegin */
	[0xc8] = P | X86_IMM24,	    /* enter */
	[0xc9] = P,		    /* leave */
	[0xca] = P | X86_IMM16,	    /* retf imm16 */
	[0xcb ... 0xcc] = P,	    /* retf, int3 */
	[0xcd] = P | B,		    /* int */
	[0xce] = X86_NONE,
	[0xcf] = P,		 /* iret */
	[0xd0 ... 0xd3] = M | P, /* shifts and rotates by 1, cl */
	[0xd4 ... 0xd6] = X86_NONE,
	[0xd7] = P,		 /* xlat */
	[0xd8 ... 0xdf] = M,	 /* x87 */
	[0xe0 ... 0xe3] = P | B, /* loop, jrcxz */
	[0xe4 ... 0xe7] = P | B, /* in, out */
	[0xe8 ... 0xe9] = P | Z | X86_NEAR_REL32,
	[0xea] = X86_NONE,
	[0xeb] = P | B,	     /* jmp rel8 */
	[0xec ... 0xef] = P, /* in, out */
	[0xf1] = P,	     /* int1 */
	[0xf4 ... 0xf5] = P, /* hlt, cmc */
	[0xf6 ... 0xf7] = M | P | X86_IMM_GROUP3,
	[0xf8 ... 0xfd] = P,  /* clc .. std */
	[0xfe] = M | D(0x03), /* inc, dec r/m8 */
	[0xff] = M | D(0x57), /* inc, dec, call, jmp, push; far ones take memory only */
};

/* Most of this map takes a ModRM. */
static const uint16_t two_byte[256] = {
	[0x00 ... 0x03] = M,
	[0x04] = X86_NONE,
	[0x05] = P, /* syscall */
	[0x06 ... 0x09] = 0,
	[0x0a] = X86_NONE,
	[0x0b] = P, /* ud2 */
	[0x0c] = X86_NONE,
	[0x0d] = M | P, /* prefetchw */
	[0x0e] = 0,
	[0x0f] = M | B, /* 3DNow!: the opcode is the last byte */
	[0x10 ... 0x17] = M,
	[0x18 ... 0x1f] = M | P, /* prefetch, nop, endbr64 */
	[0x20 ... 0x23] = M | X86_REGISTERS,
	[0x24 ... 0x27] = X86_NONE,
	[0x28 ... 0x2f] = M,
	[0x30 ... 0x35] = 0,
	[0x36] = X86_NONE,
	[0x37] = 0,
	[0x38 ... 0x3f] = X86_NONE,
	[0x40 ... 0x4f] = M | P, /* cmovcc */
	[0x50 ... 0x6f] = M,
	[0x70 ... 0x73] = M | B,
	[0x74 ... 0x76] = M,
	[0x77] = 0, /* emms */
	[0x78] = M | X86_IMM_SSE4A,
	[0x79 ... 0x7f] = M,
	[0x80 ... 0x8f] = P | Z | X86_NEAR_REL32, /* jcc */
	[0x90 ... 0x9f] = M | P,		  /* setcc */
	[0xa0 ... 0xa1] = 0,			  /* push, pop fs */
	[0xa2] = P,				  /* cpuid */
	[0xa3] = M | P,				  /* bt */
	[0xa4] = M | P | B,			  /* shld */
	[0xa5] = M | P,
	[0xa6 ... 0xa7] = X86_NONE,
	[0xa8 ... 0xaa] = 0, /* push, pop gs; rsm */
	[0xab] = M | P,	     /* bts */
	[0xac] = M | P | B,  /* shrd */
	[0xad] = M | P,
	[0xae] = M,
	[0xaf ... 0xb1] = M | P, /* imul, cmpxchg */
	[0xb2] = M,
	[0xb3] = M | P, /* btr */
	[0xb4 ... 0xb5] = M,
	[0xb6 ... 0xb7] = M | P, /* movzx */
	[0xb8 ... 0xb9] = M,
	[0xba] = M | D(0xf0) | B, /* bt .. btc imm8 */
	[0xbb ... 0xbf] = M | P,  /* btc, bsf, bsr, movsx */
	[0xc0 ... 0xc1] = M | P,  /* xadd */
	[0xc2] = M | B,
	[0xc3] = M,
	[0xc4 ... 0xc6] = M | B,
	[0xc7] = M,
	[0xc8 ... 0xcf] = P, /* bswap */
	[0xd0 ... 0xff] = M,
};

uint16_t x86_legacy_form(unsigned int map, uint8_t opcode)
{
	switch (map) {
	case X86_MAP_1B:
		return one_byte[opcode];
	case X86_MAP_0F:
		return two_byte[opcode];
	case X86_MAP_0F38:
		return M;
	default:
		return M | B;
	}
}

uint16_t x86_vex_form(unsigned int map, uint8_t opcode, bool evex)
{
	switch (map) {
	case X86_MAP_0F:
		if (!evex && opcode == 0x77) /* vzeroupper */
			return 0;
		if (opcode == 0xc3 || (opcode >= 0x80 && opcode < 0x90))
			return X86_NONE;
		return two_byte[opcode] & (M | X86_IMM8);
	case X86_MAP_0F3A:
		return M | B;
	default:
		return M;
	}
}

uint16_t x86_xop_form(unsigned int map)
{
	switch (map) {
	case 8:
		return M | B;
	case 9:
		return M;
	case 10:
		return M | Z;
	default:
		return X86_NONE;
	}
}

bool x86_is_plain(const struct x86_insn *insn, uint16_t form)
{
	if (insn->map == X86_MAP_1B && insn->opcode == 0x8d && insn->modrm >> 6 == 3)
		return false; /* lea takes memory only */
	return form >> 8 >> (insn->modrm >> 3 & 7) & 1;
}

/*
 * Found by trying every opcode, ModRM and mandatory prefix with two decoders. Instructions of
 * ring 0 are left out: no program has them.
 */
enum mandatory { NONE = 0, P66 = X86_PREFIX_66, PF2 = X86_PREFIX_F2, PF3 = X86_PREFIX_F3, EACH };

struct newer {
	uint8_t map, prefix, opcode;
	uint8_t mask, modrm; /* which bits of ModRM matter, and how they stand */
	bool memory_only;
};

static const struct newer newer[] = {
	/* clang-format off */
	{X86_MAP_0F, NONE, 0x01, 0xff, 0xe8, false}, /* serialize */
	{X86_MAP_0F, NONE, 0x01, 0xff, 0xee, false}, /* rdpkru */
	{X86_MAP_0F, NONE, 0x01, 0xff, 0xef, false}, /* wrpkru */
	{X86_MAP_0F, NONE, 0x01, 0xff, 0xfa, false}, /* monitorx */
	{X86_MAP_0F, NONE, 0x01, 0xff, 0xfb, false}, /* mwaitx */
	{X86_MAP_0F, EACH, 0x01, 0xff, 0xfc, false}, /* clzero */
	{X86_MAP_0F, EACH, 0x01, 0xff, 0xfd, false}, /* rdpru */
	{X86_MAP_0F, PF2,  0x01, 0xff, 0xe8, false}, /* xsusldtrk */
	{X86_MAP_0F, PF2,  0x01, 0xff, 0xe9, false}, /* xresldtrk */
	{X86_MAP_0F, PF3,  0x01, 0xff, 0xea, false}, /* saveprevssp */
	{X86_MAP_0F, PF3,  0x01, 0xff, 0xed, false}, /* testui */
	{X86_MAP_0F, PF3,  0x01, 0xff, 0xee, false}, /* clui */
	{X86_MAP_0F, PF3,  0x01, 0xff, 0xef, false}, /* stui */
	{X86_MAP_0F, PF3,  0x01, 0x38, 0x28, true},  /* rstorssp */
	{X86_MAP_0F, NONE, 0xae, 0xf8, 0xe8, false}, /* lfence, whatever its rm */
	{X86_MAP_0F, NONE, 0xae, 0xf8, 0xf0, false}, /* mfence */
	{X86_MAP_0F, NONE, 0xae, 0xf8, 0xf8, false}, /* sfence */
	{X86_MAP_0F, PF3,  0xae, 0x38, 0x20, false}, /* ptwrite */
	{X86_MAP_0F, PF3,  0xae, 0xf8, 0xe8, false}, /* incssp */
	{X86_MAP_0F, P66,  0xae, 0xf8, 0xf0, false}, /* tpause */
	{X86_MAP_0F, PF3,  0xae, 0xf8, 0xf0, false}, /* umonitor */
	{X86_MAP_0F, PF2,  0xae, 0xf8, 0xf0, false}, /* umwait */
	{X86_MAP_0F, EACH, 0xb9, 0x00, 0x00, false}, /* ud1 */
	{X86_MAP_0F, EACH, 0xff, 0x00, 0x00, false}, /* ud0 */
	{X86_MAP_0F38, P66,  0xcf, 0x00, 0x00, false}, /* gf2p8mulb */
	{X86_MAP_0F38, NONE, 0xf6, 0x00, 0x00, true},  /* wrss */
	{X86_MAP_0F38, P66,  0xf8, 0x00, 0x00, true},  /* movdir64b */
	{X86_MAP_0F38, PF2,  0xf8, 0x00, 0x00, true},  /* enqcmd */
	{X86_MAP_0F38, PF3,  0xf8, 0x00, 0x00, true},  /* enqcmds */
	{X86_MAP_0F38, NONE, 0xf9, 0x00, 0x00, true},  /* movdiri */
	{X86_MAP_0F38, PF3,  0xdc, 0x00, 0x00, true},  /* aesenc128kl */
	{X86_MAP_0F38, PF3,  0xdd, 0x00, 0x00, true},  /* aesdec128kl */
	{X86_MAP_0F38, PF3,  0xde, 0x00, 0x00, true},  /* aesenc256kl */
	{X86_MAP_0F38, PF3,  0xdf, 0x00, 0x00, true},  /* aesdec256kl */
	{X86_MAP_0F3A, P66,  0xce, 0x00, 0x00, false}, /* gf2p8affineqb */
	{X86_MAP_0F3A, P66,  0xcf, 0x00, 0x00, false}, /* gf2p8affineinvqb */
	/* clang-format on */
};

bool x86_is_newer_than_capstone(const struct x86_insn *insn)
{
	const unsigned int prefixes = X86_PREFIX_66 | X86_PREFIX_F2 | X86_PREFIX_F3;
	unsigned int prefix = insn->prefixes & prefixes;

	if (insn->prefixes & X86_PREFIX_F0)
		return false;
	for (size_t i = 0; i < sizeof(newer) / sizeof(newer[0]); i++) {
		const struct newer *row = &newer[i];

		if (row->map == insn->map && row->opcode == insn->opcode &&
		    (row->prefix == EACH || row->prefix == prefix) &&
		    (insn->modrm & row->mask) == row->modrm)
			return !(row->memory_only && insn->modrm >> 6 == 3);
	}
	return false;
}

/* One bit per opcode, lowest first. */
struct vex_row {
	uint8_t evex, map, pp;
	uint32_t opcodes[8];
};

static const struct vex_row vex_rows[] = {
	/* clang-format off */
	{0, 1, 0, {0x00ff0000, 0x0000cb00, 0xffff0cf6, 0x00800000,
		  0x030f0000, 0x00004000, 0x00000044, 0x00000000}},
	{0, 1, 1, {0x00ff0000, 0x0000cb00, 0xfff30cf6, 0xf07fffff,
		  0x030f0000, 0x00000000, 0xffff0074, 0x7ffeffff}},
	{0, 1, 2, {0x00470000, 0x00003400, 0xff0e0000, 0xc0018000,
		  0x00000000, 0x00000000, 0x00000004, 0x00000040}},
	{0, 1, 3, {0x00070000, 0x00003400, 0xf7020000, 0x30010000,
		  0x000c0000, 0x00000000, 0x00010004, 0x00010040}},
	{0, 2, 0, {0x00000000, 0x00000000, 0x40030200, 0x00000000,
		  0x00000000, 0x00010000, 0x040c0000, 0x00ac0000}},
	{0, 2, 1, {0x77c8ffff, 0xffffff3f, 0x470f0ae3, 0x03000000,
		  0xffcf5000, 0xfff3ffc0, 0xfc0c8000, 0x0080ffff}},
	{0, 2, 2, {0x00000000, 0x00000000, 0x50030800, 0x00040000,
		  0x00000000, 0x00030000, 0x040c0000, 0x00a00000}},
	{0, 2, 3, {0x00000000, 0x00000000, 0x50030a00, 0x00000000,
		  0x00000000, 0x00010000, 0x04003800, 0x00e00000}},
	{0, 3, 1, {0x23f0ff77, 0x030f0007, 0xf0001f57, 0xff00ff0f,
		  0x00000000, 0x00000000, 0xc000c000, 0x00000000}},
	{0, 3, 3, {0x00000000, 0x00000000, 0x00000000, 0x00000000,
		  0x00000000, 0x00000000, 0x00000000, 0x00010000}},
	{1, 1, 0, {0x00ff0000, 0x0000cb00, 0xfff20000, 0x03000000,
		  0x00000000, 0x00000000, 0x00000044, 0x00000000}},
	{1, 1, 1, {0x00ff0000, 0x0000cb00, 0xfff20000, 0xcf7fffff,
		  0x00000000, 0x00000000, 0xff7e0074, 0x7f7effff}},
	{1, 1, 2, {0x00470000, 0x00003400, 0xff020000, 0xcf018000,
		  0x00000000, 0x00000000, 0x00000004, 0x00000040}},
	{1, 1, 3, {0x00070000, 0x00003400, 0xf7020000, 0x8f018000,
		  0x00000000, 0x00000000, 0x00000004, 0x00000040}},
	{1, 2, 1, {0xff7f3811, 0xffff3fff, 0x0f3ff0fd, 0xffef007c,
		  0xffcfaf08, 0xfff0ffcf, 0xf000bdd0, 0x00000000}},
	{1, 2, 2, {0x003f0000, 0x073f07ff, 0x00040000, 0x00040000,
		  0x00000000, 0x00000000, 0x00000000, 0x00000000}},
	{1, 2, 3, {0x00000000, 0x00000000, 0x000c0000, 0x00040100,
		  0x0c000000, 0x00000c00, 0x00000000, 0x00000000}},
	{1, 3, 0, {0x00000500, 0x000000c0, 0x00c00000, 0x000000c0,
		  0x00000000, 0x00000000, 0x00000004, 0x00000000}},
	{1, 3, 1, {0xeff08f3b, 0xcf0000ef, 0x00f3001c, 0x000f00c0,
		  0x00000000, 0x00000000, 0x0000c000, 0x00000000}},
	{1, 3, 2, {0x00000000, 0x00000000, 0x00000000, 0x00000000,
		  0x00000000, 0x00000000, 0x00000004, 0x00000000}},
	{1, 5, 0, {0x20000000, 0x0000c000, 0xff020000, 0x33000000,
		  0x00000000, 0x00000000, 0x00000000, 0x00000000}},
	{1, 5, 1, {0x20000000, 0x00000000, 0x0c000000, 0x7f004000,
		  0x00000000, 0x00000000, 0x00000000, 0x00000000}},
	{1, 5, 2, {0x00030000, 0x00003400, 0xff020000, 0x2b000000,
		  0x00000000, 0x00000000, 0x00000000, 0x00000000}},
	{1, 5, 3, {0x00000000, 0x00000000, 0x04000000, 0x24000000,
		  0x00000000, 0x00000000, 0x00000000, 0x00000000}},
	{1, 6, 0, {0x00080000, 0x00000000, 0x00000000, 0x00000000,
		  0x00000000, 0x00000000, 0x00000000, 0x00000000}},
	{1, 6, 1, {0x00080000, 0x00003000, 0x0000f00c, 0x00000000,
		  0xffc00000, 0xffc0ffc0, 0x00000000, 0x00000000}},
	{1, 6, 2, {0x00000000, 0x00000000, 0x00c00000, 0x00000000,
		  0x00000000, 0x00000000, 0x00c00000, 0x00000000}},
	{1, 6, 3, {0x00000000, 0x00000000, 0x00c00000, 0x00000000,
		  0x00000000, 0x00000000, 0x00c00000, 0x00000000}},
	/* clang-format on */
};

bool x86_vex_exists(bool evex, unsigned int map, unsigned int pp, uint8_t opcode)
{
	for (size_t i = 0; i < sizeof(vex_rows) / sizeof(vex_rows[0]); i++) {
		const struct vex_row *row = &vex_rows[i];

		if (row->evex == evex && row->map == map && row->pp == pp)
			return row->opcodes[opcode / 32] >> (opcode % 32) & 1;
	}
	return false;
}
