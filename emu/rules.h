/* SPDX-License-Identifier: MIT */
/* The emulator's table: its type, and the functions of each family that stand in it. */
#ifndef EMUPROBE_EMU_RULES_H
#define EMUPROBE_EMU_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "emu/operands.h"

/* What the operands are, and so how emu_op is filled. First the destination, as Intel writes it. */
enum emu_shape {
	EMU_NONE,     /* no operand, or only fixed ones */
	EMU_D,	      /* rDX */
	EMU_RM,	      /* r/m */
	EMU_RM_R,     /* r/m, reg of ModRM */
	EMU_R_RM,     /* reg of ModRM, r/m */
	EMU_R_RM8,    /* reg of ModRM, r/m of 8 bits */
	EMU_R_RM_IMM, /* reg of ModRM, r/m, immediate */
	EMU_RM_IMM,   /* r/m, immediate */
	EMU_RM_1,     /* r/m, 1: shifts */
	EMU_RM_CL,    /* r/m, CL: shifts */
	EMU_A_IMM,    /* rAX, immediate */
	EMU_O,	      /* register in the opcode's low bits */
	EMU_O_A,      /* the same, and rAX */
	EMU_O_IMM,    /* the same, and an immediate */
	EMU_IMM,      /* immediate */
	EMU_A_MOFFS,  /* rAX, [address] */
	EMU_MOFFS_A,  /* [address], rAX */
	EMU_REL,      /* branch target */
};

/* Which operand sizes an encoding has: the column of variants that is used. */
enum emu_width {
	EMU_BYTE,  /* 8 bits */
	EMU_FULL,  /* 16 with 66, 64 with REX.W, else 32 */
	EMU_STACK, /* 16 with 66, else 64: push, pop */
	EMU_NEAR,  /* 64: near branches. 66 means 16 on one vendor's processors: no rule */

};

/* A set: what F2 and F3 mean, and other conditions. Any of 66, 67, REX and segments is allowed. */
enum emu_prefixes {
	EMU_PLAIN = 0,
	EMU_NEEDS_F3 = 1 << 0,	     /* F3 is part of the opcode */
	EMU_NO_REX_B = 1 << 1,	     /* 41 90 is an xchg, 90 is not */
	EMU_BND = X86_PREFIX_F2,     /* F2 means nothing: bnd jmp */
	EMU_REP = X86_PREFIX_F3,     /* F3 means nothing: pause */
	EMU_ANY = EMU_BND | EMU_REP, /* neither does: rep ret */
};

/* Where the operands are: the row of variants that is used. */
enum emu_kind {
	EMU_KIND_R,  /* registers only, or no operand */
	EMU_KIND_RI, /* register, immediate */
	EMU_KIND_RM, /* register, memory */
	EMU_KIND_MR, /* memory, register; or memory alone */
	EMU_KIND_MI, /* memory, immediate */
	EMU_KINDS
};

/* One operation in all sizes (8, 16, 32, 64 bits) and kinds; NULL: not this one. */
struct emu_variants {
	emu_run_fn *run[EMU_KINDS][4];
};

#define EMU_DIGIT_ANY 0xff

struct emu_rule {
	uint8_t map, opcode, mask;
	uint8_t digit; /* reg of ModRM, an extension of the opcode; or EMU_DIGIT_ANY */
	uint8_t shape, width, prefixes;
	const struct emu_variants *variants;
	const char *instruction, *effect; /* for docs/instructions.md */
};

extern const struct emu_rule emu_rules[];
extern const size_t emu_rules_count;

/** The row that @insn falls under, NULL: none. Context: any thread. */
const struct emu_rule *emu_find_rule(const struct x86_insn *insn);

/* arithmetic.c */
extern const struct emu_variants emu_add, emu_or, emu_adc, emu_sbb, emu_and, emu_sub, emu_xor;
extern const struct emu_variants emu_cmp, emu_test, emu_inc, emu_dec, emu_neg, emu_not;
/* shift.c */
extern const struct emu_variants emu_rol, emu_ror, emu_rcl, emu_rcr, emu_shl, emu_shr, emu_sar;
extern const struct emu_variants emu_bt, emu_bts, emu_btr, emu_btc;
extern const struct emu_variants emu_bsf, emu_bsr, emu_popcnt, emu_tzcnt, emu_lzcnt;
/* multiply.c */
extern const struct emu_variants emu_mul, emu_imul, emu_imul2, emu_imul3, emu_div, emu_idiv;
/* move.c */
extern const struct emu_variants emu_mov, emu_lea, emu_movzx8, emu_movzx16, emu_movsx8, emu_movsx16;
extern const struct emu_variants emu_movsxd, emu_xchg, emu_bswap, emu_cmov, emu_set;
extern const struct emu_variants emu_cbw, emu_cwd;
extern const struct emu_variants emu_nop;
extern const struct emu_variants emu_prefetchw;
extern const struct emu_variants emu_cld, emu_std, emu_clc, emu_stc, emu_cmc, emu_lahf, emu_sahf;
/* stack.c */
extern const struct emu_variants emu_push, emu_pop, emu_push_flags, emu_pop_flags;
extern const struct emu_variants emu_leave, emu_enter;
/* control_flow.c */
extern const struct emu_variants emu_jmp, emu_jcc, emu_jmp_to, emu_call, emu_call_to, emu_ret;
extern const struct emu_variants emu_jrcxz, emu_loop, emu_loope, emu_loopne;

#endif
