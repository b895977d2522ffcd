/* SPDX-License-Identifier: MIT */
/*
 * The emulator's table, one row per encoding: which instruction it is, where its operands are, and
 * the operation. Adding an instruction is adding a row, and a function where there is none that
 * does it. What has no row is boosted. So is, whatever the row says: all with a lock prefix.
 *
 * docs/instructions.md is made from this table, and the tests against the processor take from it
 * what to try.
 */
#include "emu/rules.h"

#define ANY	    EMU_DIGIT_ANY
#define M1	    X86_MAP_1B
#define M0F	    X86_MAP_0F
#define ROWS(array) (sizeof(array) / sizeof((array)[0]))

/* The eight operations of the first rows of the opcode map, and groups 80, 81 and 83. */
#define ALU(base, digit, op, name, effect)                                                          \
	{M1, (base) + 0, 0xff, ANY, EMU_RM_R, EMU_BYTE, 0, &op, name " r/m8, r8", effect},          \
		{M1, (base) + 1, 0xff, ANY, EMU_RM_R, EMU_FULL, 0, &op, name " r/m, r", effect},    \
		{M1, (base) + 2, 0xff, ANY, EMU_R_RM, EMU_BYTE, 0, &op, name " r8, r/m8", effect},  \
		{M1, (base) + 3, 0xff, ANY, EMU_R_RM, EMU_FULL, 0, &op, name " r, r/m", effect},    \
		{M1, (base) + 4, 0xff, ANY, EMU_A_IMM, EMU_BYTE, 0, &op, name " AL, imm8", effect}, \
		{M1, (base) + 5, 0xff, ANY, EMU_A_IMM, EMU_FULL, 0, &op, name " rAX, imm", effect}, \
		{M1, 0x80, 0xff, digit, EMU_RM_IMM, EMU_BYTE, 0, &op, name " r/m8, imm8", effect},  \
		{M1, 0x81, 0xff, digit, EMU_RM_IMM, EMU_FULL, 0, &op, name " r/m, imm", effect},    \
	{                                                                                           \
		M1, 0x83, 0xff, digit, EMU_RM_IMM, EMU_FULL, 0, &op, name " r/m, imm8", effect      \
	}

/* Groups C0, C1, D0 .. D3. */
#define SHIFT(digit, op, name, effect)                                                             \
	{M1, 0xc0, 0xff, digit, EMU_RM_IMM, EMU_BYTE, 0, &op, name " r/m8, imm8", effect},         \
		{M1, 0xc1, 0xff, digit, EMU_RM_IMM, EMU_FULL, 0, &op, name " r/m, imm8", effect},  \
		{M1, 0xd0, 0xff, digit, EMU_RM_1, EMU_BYTE, 0, &op, name " r/m8, 1", effect},      \
		{M1, 0xd1, 0xff, digit, EMU_RM_1, EMU_FULL, 0, &op, name " r/m, 1", effect},       \
		{M1, 0xd2, 0xff, digit, EMU_RM_CL, EMU_BYTE, 0, &op, name " r/m8, CL", effect},    \
	{                                                                                          \
		M1, 0xd3, 0xff, digit, EMU_RM_CL, EMU_FULL, 0, &op, name " r/m, CL", effect        \
	}

/* clang-format off */
const struct emu_rule emu_rules[] = {
	/* map, opcode, mask, /digit, operands, sizes, prefixes, operation, instruction, effect */

	ALU(0x00, 0, emu_add, "ADD", "dst += src"),
	ALU(0x08, 1, emu_or,  "OR",  "dst |= src"),
	ALU(0x10, 2, emu_adc, "ADC", "dst += src + CF"),
	ALU(0x18, 3, emu_sbb, "SBB", "dst -= src + CF"),
	ALU(0x20, 4, emu_and, "AND", "dst &= src"),
	ALU(0x28, 5, emu_sub, "SUB", "dst -= src"),
	ALU(0x30, 6, emu_xor, "XOR", "dst ^= src"),
	ALU(0x38, 7, emu_cmp, "CMP", "flags of dst - src"),

	/* stack */
	{M1,  0x50, 0xf8, ANY, EMU_O,   EMU_STACK, 0, &emu_push, "PUSH r", "RSP -= size; [RSP] = r"},
	{M1,  0x58, 0xf8, ANY, EMU_O,   EMU_STACK, 0, &emu_pop, "POP r", "r = [RSP]; RSP += size"},
	{M1,  0x68, 0xff, ANY, EMU_IMM, EMU_STACK, 0, &emu_push, "PUSH imm", "RSP -= size; [RSP] = imm"},
	{M1,  0x6a, 0xff, ANY, EMU_IMM, EMU_STACK, 0, &emu_push, "PUSH imm8", "RSP -= size; [RSP] = imm"},
	{M1,  0x8f, 0xff, 0,   EMU_RM,  EMU_STACK, 0, &emu_pop, "POP r/m", "r/m = [RSP]; RSP += size"},
	{M1,  0xff, 0xff, 6,   EMU_RM,  EMU_STACK, 0, &emu_push, "PUSH r/m", "RSP -= size; [RSP] = r/m"},
	{M1,  0x9c, 0xff, ANY, EMU_NONE, EMU_STACK, 0, &emu_push_flags, "PUSHF", "RSP -= size; [RSP] = RFLAGS"},
	{M1,  0x9d, 0xff, ANY, EMU_NONE, EMU_STACK, 0, &emu_pop_flags, "POPF",
	 "RFLAGS = [RSP]; RSP += size; boosted where TF, NT or ID changes"},
	{M1,  0xc8, 0xff, ANY, EMU_IMM, EMU_STACK, 0, &emu_enter, "ENTER imm16, 0",
	 "push RBP; RBP = RSP; RSP -= imm16"},
	{M1,  0xc9, 0xff, ANY, EMU_NONE, EMU_STACK, 0, &emu_leave, "LEAVE", "RSP = RBP; pop RBP"},

	/* moves */
	{M1,  0x88, 0xff, ANY, EMU_RM_R, EMU_BYTE, 0, &emu_mov, "MOV r/m8, r8", "dst = src"},
	{M1,  0x89, 0xff, ANY, EMU_RM_R, EMU_FULL, 0, &emu_mov, "MOV r/m, r", "dst = src"},
	{M1,  0x8a, 0xff, ANY, EMU_R_RM, EMU_BYTE, 0, &emu_mov, "MOV r8, r/m8", "dst = src"},
	{M1,  0x8b, 0xff, ANY, EMU_R_RM, EMU_FULL, 0, &emu_mov, "MOV r, r/m", "dst = src"},
	{M1,  0xa0, 0xff, ANY, EMU_A_MOFFS, EMU_BYTE, 0, &emu_mov, "MOV AL, moffs8", "AL = [address]"},
	{M1,  0xa1, 0xff, ANY, EMU_A_MOFFS, EMU_FULL, 0, &emu_mov, "MOV rAX, moffs", "rAX = [address]"},
	{M1,  0xa2, 0xff, ANY, EMU_MOFFS_A, EMU_BYTE, 0, &emu_mov, "MOV moffs8, AL", "[address] = AL"},
	{M1,  0xa3, 0xff, ANY, EMU_MOFFS_A, EMU_FULL, 0, &emu_mov, "MOV moffs, rAX", "[address] = rAX"},
	{M1,  0xb0, 0xf8, ANY, EMU_O_IMM, EMU_BYTE, 0, &emu_mov, "MOV r8, imm8", "dst = imm"},
	{M1,  0xb8, 0xf8, ANY, EMU_O_IMM, EMU_FULL, 0, &emu_mov, "MOV r, imm", "dst = imm"},
	{M1,  0xc6, 0xff, 0,   EMU_RM_IMM, EMU_BYTE, 0, &emu_mov, "MOV r/m8, imm8", "dst = imm"},
	{M1,  0xc7, 0xff, 0,   EMU_RM_IMM, EMU_FULL, 0, &emu_mov, "MOV r/m, imm", "dst = imm"},
	{M1,  0x8d, 0xff, ANY, EMU_R_RM, EMU_FULL, 0, &emu_lea, "LEA r, m", "dst = address of m"},
	{M1,  0x63, 0xff, ANY, EMU_R_RM, EMU_FULL, 0, &emu_movsxd, "MOVSXD r, r/m32", "dst = src, sign-extended"},
	{M0F, 0xb6, 0xff, ANY, EMU_R_RM8, EMU_FULL, 0, &emu_movzx8, "MOVZX r, r/m8", "dst = src, zero-extended"},
	{M0F, 0xb7, 0xff, ANY, EMU_R_RM, EMU_FULL, 0, &emu_movzx16, "MOVZX r, r/m16", "dst = src, zero-extended"},
	{M0F, 0xbe, 0xff, ANY, EMU_R_RM8, EMU_FULL, 0, &emu_movsx8, "MOVSX r, r/m8", "dst = src, sign-extended"},
	{M0F, 0xbf, 0xff, ANY, EMU_R_RM, EMU_FULL, 0, &emu_movsx16, "MOVSX r, r/m16", "dst = src, sign-extended"},
	{M1,  0x98, 0xff, ANY, EMU_NONE, EMU_FULL, 0, &emu_cbw, "CBW, CWDE, CDQE", "rAX = its lower half, sign-extended"},
	{M1,  0x99, 0xff, ANY, EMU_D,    EMU_FULL, 0, &emu_cwd, "CWD, CDQ, CQO", "rDX = sign of rAX"},
	{M0F, 0x40, 0xf0, ANY, EMU_R_RM, EMU_FULL, 0, &emu_cmov, "CMOVcc r, r/m", "if cc: dst = src"},
	{M0F, 0x90, 0xf0, ANY, EMU_RM,   EMU_BYTE, 0, &emu_set, "SETcc r/m8", "dst = cc"},
	{M0F, 0xc8, 0xf8, ANY, EMU_O,    EMU_FULL, 0, &emu_bswap, "BSWAP r", "reverse the bytes of dst"},
	{M1,  0x86, 0xff, ANY, EMU_RM_R, EMU_BYTE, 0, &emu_xchg, "XCHG r8, r8", "exchange; with memory it locks: boosted"},
	{M1,  0x87, 0xff, ANY, EMU_RM_R, EMU_FULL, 0, &emu_xchg, "XCHG r, r", "exchange; with memory it locks: boosted"},

	/* nops, before xchg: 90 does not clear the upper half of RAX */
	{M1,  0x90, 0xff, ANY, EMU_NONE, EMU_FULL, EMU_REP | EMU_NO_REX_B, &emu_nop, "NOP, PAUSE", "nothing"},
	{M1,  0x90, 0xf8, ANY, EMU_O_A,  EMU_FULL, 0, &emu_xchg, "XCHG r, rAX", "exchange"},
	{M0F, 0x0d, 0xff, ANY, EMU_RM,   EMU_FULL, 0, &emu_prefetchw, "PREFETCHW m", "nothing"},
	{M0F, 0x18, 0xff, ANY, EMU_RM,   EMU_FULL, 0, &emu_nop, "PREFETCH m", "nothing"},
	{M0F, 0x1e, 0xff, 7,   EMU_RM,   EMU_FULL, EMU_NEEDS_F3, &emu_nop, "ENDBR64", "nothing"},
	{M0F, 0x1e, 0xff, ANY, EMU_RM,   EMU_FULL, EMU_BND, &emu_nop, "NOP r/m", "nothing"},
	{M0F, 0x1f, 0xff, ANY, EMU_RM,   EMU_FULL, EMU_ANY, &emu_nop, "NOP r/m", "nothing"},

	/* one operand */
	{M1,  0xfe, 0xff, 0,   EMU_RM,   EMU_BYTE, 0, &emu_inc, "INC r/m8", "dst += 1, CF stays"},
	{M1,  0xff, 0xff, 0,   EMU_RM,   EMU_FULL, 0, &emu_inc, "INC r/m", "dst += 1, CF stays"},
	{M1,  0xfe, 0xff, 1,   EMU_RM,   EMU_BYTE, 0, &emu_dec, "DEC r/m8", "dst -= 1, CF stays"},
	{M1,  0xff, 0xff, 1,   EMU_RM,   EMU_FULL, 0, &emu_dec, "DEC r/m", "dst -= 1, CF stays"},
	{M1,  0xf6, 0xff, 2,   EMU_RM,   EMU_BYTE, 0, &emu_not, "NOT r/m8", "dst = ~dst"},
	{M1,  0xf7, 0xff, 2,   EMU_RM,   EMU_FULL, 0, &emu_not, "NOT r/m", "dst = ~dst"},
	{M1,  0xf6, 0xff, 3,   EMU_RM,   EMU_BYTE, 0, &emu_neg, "NEG r/m8", "dst = -dst"},
	{M1,  0xf7, 0xff, 3,   EMU_RM,   EMU_FULL, 0, &emu_neg, "NEG r/m", "dst = -dst"},

	/* test */
	{M1,  0x84, 0xff, ANY, EMU_RM_R, EMU_BYTE, 0, &emu_test, "TEST r/m8, r8", "flags of dst & src"},
	{M1,  0x85, 0xff, ANY, EMU_RM_R, EMU_FULL, 0, &emu_test, "TEST r/m, r", "flags of dst & src"},
	{M1,  0xa8, 0xff, ANY, EMU_A_IMM, EMU_BYTE, 0, &emu_test, "TEST AL, imm8", "flags of dst & src"},
	{M1,  0xa9, 0xff, ANY, EMU_A_IMM, EMU_FULL, 0, &emu_test, "TEST rAX, imm", "flags of dst & src"},
	{M1,  0xf6, 0xff, 0,   EMU_RM_IMM, EMU_BYTE, 0, &emu_test, "TEST r/m8, imm8", "flags of dst & src"},
	{M1,  0xf6, 0xff, 1,   EMU_RM_IMM, EMU_BYTE, 0, &emu_test, "TEST r/m8, imm8", "flags of dst & src"},
	{M1,  0xf7, 0xff, 0,   EMU_RM_IMM, EMU_FULL, 0, &emu_test, "TEST r/m, imm", "flags of dst & src"},
	{M1,  0xf7, 0xff, 1,   EMU_RM_IMM, EMU_FULL, 0, &emu_test, "TEST r/m, imm", "flags of dst & src"},

	SHIFT(0, emu_rol, "ROL", "rotate left"),
	SHIFT(1, emu_ror, "ROR", "rotate right"),
	SHIFT(2, emu_rcl, "RCL", "rotate left through CF"),
	SHIFT(3, emu_rcr, "RCR", "rotate right through CF"),
	SHIFT(4, emu_shl, "SHL", "dst <<= count"),
	SHIFT(5, emu_shr, "SHR", "dst >>= count, unsigned"),
	SHIFT(6, emu_shl, "SAL", "dst <<= count"),
	SHIFT(7, emu_sar, "SAR", "dst >>= count, signed"),

	/* bits */
	{M0F, 0xa3, 0xff, ANY, EMU_RM_R, EMU_FULL, 0, &emu_bt, "BT r/m, r", "CF = bit"},
	{M0F, 0xab, 0xff, ANY, EMU_RM_R, EMU_FULL, 0, &emu_bts, "BTS r/m, r", "CF = bit; bit = 1"},
	{M0F, 0xb3, 0xff, ANY, EMU_RM_R, EMU_FULL, 0, &emu_btr, "BTR r/m, r", "CF = bit; bit = 0"},
	{M0F, 0xbb, 0xff, ANY, EMU_RM_R, EMU_FULL, 0, &emu_btc, "BTC r/m, r", "CF = bit; bit = !bit"},
	{M0F, 0xba, 0xff, 4,   EMU_RM_IMM, EMU_FULL, 0, &emu_bt, "BT r/m, imm8", "CF = bit"},
	{M0F, 0xba, 0xff, 5,   EMU_RM_IMM, EMU_FULL, 0, &emu_bts, "BTS r/m, imm8", "CF = bit; bit = 1"},
	{M0F, 0xba, 0xff, 6,   EMU_RM_IMM, EMU_FULL, 0, &emu_btr, "BTR r/m, imm8", "CF = bit; bit = 0"},
	{M0F, 0xba, 0xff, 7,   EMU_RM_IMM, EMU_FULL, 0, &emu_btc, "BTC r/m, imm8", "CF = bit; bit = !bit"},
	{M0F, 0xbc, 0xff, ANY, EMU_R_RM, EMU_FULL, 0, &emu_bsf, "BSF r, r/m", "dst = lowest bit set, of 0: dst"},
	{M0F, 0xbd, 0xff, ANY, EMU_R_RM, EMU_FULL, 0, &emu_bsr, "BSR r, r/m", "dst = highest bit set, of 0: dst"},
	{M0F, 0xb8, 0xff, ANY, EMU_R_RM, EMU_FULL, EMU_NEEDS_F3, &emu_popcnt, "POPCNT r, r/m", "dst = bits set"},
	{M0F, 0xbc, 0xff, ANY, EMU_R_RM, EMU_FULL, EMU_NEEDS_F3, &emu_tzcnt, "TZCNT r, r/m", "dst = lowest bits clear"},
	{M0F, 0xbd, 0xff, ANY, EMU_R_RM, EMU_FULL, EMU_NEEDS_F3, &emu_lzcnt, "LZCNT r, r/m", "dst = highest bits clear"},

	/* multiplication, division: a divide error is left to the real instruction */
	{M1,  0x69, 0xff, ANY, EMU_R_RM_IMM, EMU_FULL, 0, &emu_imul3, "IMUL r, r/m, imm", "dst = src * imm"},
	{M1,  0x6b, 0xff, ANY, EMU_R_RM_IMM, EMU_FULL, 0, &emu_imul3, "IMUL r, r/m, imm8", "dst = src * imm"},
	{M0F, 0xaf, 0xff, ANY, EMU_R_RM, EMU_FULL, 0, &emu_imul2, "IMUL r, r/m", "dst *= src"},
	{M1,  0xf6, 0xff, 4,   EMU_RM, EMU_BYTE, 0, &emu_mul, "MUL r/m8", "AX = AL * src"},
	{M1,  0xf7, 0xff, 4,   EMU_RM, EMU_FULL, 0, &emu_mul, "MUL r/m", "rDX:rAX = rAX * src"},
	{M1,  0xf6, 0xff, 5,   EMU_RM, EMU_BYTE, 0, &emu_imul, "IMUL r/m8", "AX = AL * src, signed"},
	{M1,  0xf7, 0xff, 5,   EMU_RM, EMU_FULL, 0, &emu_imul, "IMUL r/m", "rDX:rAX = rAX * src, signed"},
	{M1,  0xf6, 0xff, 6,   EMU_RM, EMU_BYTE, 0, &emu_div, "DIV r/m8", "AL, AH = AX / src, remainder"},
	{M1,  0xf7, 0xff, 6,   EMU_RM, EMU_FULL, 0, &emu_div, "DIV r/m", "rAX, rDX = rDX:rAX / src, remainder"},
	{M1,  0xf6, 0xff, 7,   EMU_RM, EMU_BYTE, 0, &emu_idiv, "IDIV r/m8", "AL, AH = AX / src, remainder, signed"},
	{M1,  0xf7, 0xff, 7,   EMU_RM, EMU_FULL, 0, &emu_idiv, "IDIV r/m", "rAX, rDX = rDX:rAX / src, remainder, signed"},

	/* flags */
	{M1,  0x9e, 0xff, ANY, EMU_NONE, EMU_FULL, 0, &emu_sahf, "SAHF", "SF, ZF, AF, PF, CF = AH"},
	{M1,  0x9f, 0xff, ANY, EMU_NONE, EMU_FULL, 0, &emu_lahf, "LAHF", "AH = SF, ZF, AF, PF, CF"},
	{M1,  0xf5, 0xff, ANY, EMU_NONE, EMU_FULL, 0, &emu_cmc, "CMC", "CF = !CF"},
	{M1,  0xf8, 0xff, ANY, EMU_NONE, EMU_FULL, 0, &emu_clc, "CLC", "CF = 0"},
	{M1,  0xf9, 0xff, ANY, EMU_NONE, EMU_FULL, 0, &emu_stc, "STC", "CF = 1"},
	{M1,  0xfc, 0xff, ANY, EMU_NONE, EMU_FULL, 0, &emu_cld, "CLD", "DF = 0"},
	{M1,  0xfd, 0xff, ANY, EMU_NONE, EMU_FULL, 0, &emu_std, "STD", "DF = 1"},

	/* control flow */
	{M1,  0x70, 0xf0, ANY, EMU_REL,  EMU_NEAR, EMU_BND, &emu_jcc, "Jcc rel8", "if cc: RIP += rel"},
	{M0F, 0x80, 0xf0, ANY, EMU_REL,  EMU_NEAR, EMU_BND, &emu_jcc, "Jcc rel32", "if cc: RIP += rel"},
	{M1,  0xe0, 0xff, ANY, EMU_REL,  EMU_NEAR, 0, &emu_loopne, "LOOPNE rel8", "RCX -= 1; if RCX and not ZF: RIP += rel"},
	{M1,  0xe1, 0xff, ANY, EMU_REL,  EMU_NEAR, 0, &emu_loope, "LOOPE rel8", "RCX -= 1; if RCX and ZF: RIP += rel"},
	{M1,  0xe2, 0xff, ANY, EMU_REL,  EMU_NEAR, 0, &emu_loop, "LOOP rel8", "RCX -= 1; if RCX: RIP += rel"},
	{M1,  0xe3, 0xff, ANY, EMU_REL,  EMU_NEAR, 0, &emu_jrcxz, "JRCXZ rel8, JECXZ rel8", "if not RCX: RIP += rel"},
	{M1,  0xe8, 0xff, ANY, EMU_REL,  EMU_NEAR, EMU_BND, &emu_call, "CALL rel32", "push RIP; RIP += rel"},
	{M1,  0xe9, 0xff, ANY, EMU_REL,  EMU_NEAR, EMU_BND, &emu_jmp, "JMP rel32", "RIP += rel"},
	{M1,  0xeb, 0xff, ANY, EMU_REL,  EMU_NEAR, EMU_BND, &emu_jmp, "JMP rel8", "RIP += rel"},
	{M1,  0xff, 0xff, 2,   EMU_RM,   EMU_NEAR, EMU_BND, &emu_call_to, "CALL r/m64", "push RIP; RIP = r/m"},
	{M1,  0xff, 0xff, 4,   EMU_RM,   EMU_NEAR, EMU_BND, &emu_jmp_to, "JMP r/m64", "RIP = r/m"},
	{M1,  0xc2, 0xff, ANY, EMU_IMM,  EMU_NEAR, EMU_ANY, &emu_ret, "RET imm16", "pop RIP; RSP += imm16"},
	{M1,  0xc3, 0xff, ANY, EMU_NONE, EMU_NEAR, EMU_ANY, &emu_ret, "RET", "pop RIP"},
};
/* clang-format on */

const size_t emu_rules_count = ROWS(emu_rules);
