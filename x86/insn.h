/* SPDX-License-Identifier: MIT */
/* One decoded instruction: the few facts that the rest of the engine needs, widened once. */
#ifndef EMUPROBE_X86_INSN_H
#define EMUPROBE_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X86_INSN_MAX 15

/* Where the opcode byte is looked up (Intel SDM, "Instruction Format", "Opcode Map"). */
enum x86_map {
	X86_MAP_1B,   /* one-byte opcodes */
	X86_MAP_0F,   /* 0F xx */
	X86_MAP_0F38, /* 0F 38 xx */
	X86_MAP_0F3A, /* 0F 3A xx */
	X86_MAP_OTHER /* VEX maps past 3, EVEX maps past 3, XOP, 3DNow! */
};

enum x86_encoding { X86_LEGACY, X86_VEX, X86_EVEX, X86_XOP };

enum x86_prefix {
	X86_PREFIX_66 = 1 << 0, /* operand size */
	X86_PREFIX_67 = 1 << 1, /* address size */
	X86_PREFIX_F0 = 1 << 2, /* lock */
	X86_PREFIX_F2 = 1 << 3, /* repne, bnd */
	X86_PREFIX_F3 = 1 << 4, /* rep */
	X86_PREFIX_FS = 1 << 5,
	X86_PREFIX_GS = 1 << 6,
	X86_PREFIX_SEG = 1 << 7, /* cs, ds, es, ss: ignored in 64-bit mode; 3E is also notrack */
};

#define X86_REX_B 1u
#define X86_REX_X 2u
#define X86_REX_R 4u
#define X86_REX_W 8u

struct x86_insn {
	uint64_t address; /* where it stands in the program */
	uint8_t bytes[X86_INSN_MAX];
	uint8_t length;
	uint8_t encoding; /* enum x86_encoding */
	uint8_t map;	  /* enum x86_map */
	uint8_t opcode;
	uint8_t prefixes; /* set of enum x86_prefix */
	uint8_t rex;	  /* the whole byte, 0: none. VEX and EVEX: not filled */
	uint8_t modrm, sib;
	uint8_t modrm_offset;		/* 0: no ModRM */
	uint8_t sib_offset;		/* 0: no SIB */
	uint8_t disp_offset, disp_size; /* size 0: none */
	uint8_t imm_offset, imm_size;	/* all that follows the displacement */
	int64_t disp;			/* sign-extended */
	int64_t imm;			/* sign-extended from imm_size (1, 2, 4 or 8) */
};

/* What an instruction does to RIP. */
enum x86_flow {
	X86_FLOW_NONE,	   /* goes on behind itself */
	X86_FLOW_JMP,	   /* jmp rel */
	X86_FLOW_JCC,	   /* jcc rel, jrcxz, loop */
	X86_FLOW_CALL,	   /* call rel */
	X86_FLOW_JMP_IND,  /* jmp r/m */
	X86_FLOW_CALL_IND, /* call r/m */
	X86_FLOW_RET,	   /* ret, ret imm16 */
	X86_FLOW_SYSCALL,  /* syscall: RCX becomes RIP, and then goes on behind itself */
	X86_FLOW_TRAP,	   /* int3, int n, int1, ud0/1/2, hlt: raises at or behind itself */
	X86_FLOW_OTHER,	   /* far transfers, iret, sysenter, xbegin: never probed */
};

/**
 * Decode the instruction at @code, of which @size bytes can be read, as if it stood at @address.
 *
 * @return   0, or -EP_UNDECODABLE (also when it does not end within @size).
 * Context:  any thread; never in a trap. Some 50 ns; 300 where capstone is asked.
 */
int x86_decode(const uint8_t *code, size_t size, uint64_t address, struct x86_insn *ret);

/** Its disassembly in Intel syntax, "mov rax, qword ptr [rip + 0x10]"; "" where unknown. */
void x86_insn_text(const struct x86_insn *insn, char *buf, size_t size);

enum x86_flow x86_insn_flow(const struct x86_insn *insn);

/** Does it address memory relative to RIP? disp_offset is then that of the displacement. */
bool x86_insn_is_rip_relative(const struct x86_insn *insn);

/** Where a direct jmp, jcc, loop or call goes; 0 for all else. */
uint64_t x86_insn_target(const struct x86_insn *insn);

/* On the trap path too, without optimization as well. */
static inline __attribute__((always_inline)) uint64_t x86_insn_end(const struct x86_insn *insn)
{
	return insn->address + insn->length;
}

#endif
