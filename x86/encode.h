/* SPDX-License-Identifier: MIT */
/*
 * The only writer of opcode bytes. Each function writes one instruction to @to, as if it stood at
 * @at where that matters, and returns its length; @to need not be aligned. Registers are given as
 * encodings number them: 0 rax .. 15 r15.
 */
#ifndef EMUPROBE_X86_ENCODE_H
#define EMUPROBE_X86_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	X86_INT3 = 0xcc,
	X86_CALL_REL32 = 0xe8, /* first bytes of */
	X86_JMP_REL32 = 0xe9,
	X86_JMP_REL32_SIZE = 5,
	X86_JCC_REL32_SIZE = 6,
	X86_CALL_REL32_SIZE = 5,
	X86_JMP_ABS64_SIZE = 14,
	X86_MOV_IMM64_SIZE = 10,
	X86_NOP_MAX = 9,
};

/** Can a branch of @size bytes at @at, whose last four are the rel32, reach @target? */
bool x86_reaches(uint64_t at, size_t size, uint64_t target);

size_t x86_put_int3(uint8_t *to);
size_t x86_put_nop(uint8_t *to, size_t size); /* one instruction, size 1 .. X86_NOP_MAX */

/* The target must be in reach: see x86_reaches(). */
size_t x86_put_jmp(uint8_t *to, uint64_t at, uint64_t target);			  /* jmp rel32 */
size_t x86_put_jcc(uint8_t *to, uint64_t at, unsigned int code, uint64_t target); /* jcc rel32 */
size_t x86_put_call(uint8_t *to, uint64_t at, uint64_t target);			  /* call rel32 */

size_t x86_put_jmp_abs(uint8_t *to, uint64_t target); /* jmp [rip+0]; .quad target */
size_t x86_put_call_mem(uint8_t *to, int32_t disp);   /* call [rip+disp] */
size_t x86_put_jmp_mem(uint8_t *to, int32_t disp);    /* jmp [rip+disp] */
size_t x86_put_jmp_rsp(uint8_t *to, int8_t disp);     /* jmp [rsp+disp] */
size_t x86_put_push(uint8_t *to, unsigned int reg);   /* push r64 */
size_t x86_put_push_mem(uint8_t *to, int32_t disp);   /* push [rip+disp] */
size_t x86_put_pop(uint8_t *to, unsigned int reg);    /* pop r64 */
size_t x86_put_push_top(uint8_t *to);		      /* push (%rsp) */
size_t x86_put_ret(uint8_t *to);
size_t x86_put_push_imm32(uint8_t *to, int32_t imm); /* push imm32, sign-extended */
size_t x86_put_add_rsp(uint8_t *to, int32_t disp);   /* lea rsp, [rsp+disp]: no flags */
size_t x86_put_mov_imm64(uint8_t *to, unsigned int reg, uint64_t imm);	 /* mov r64, imm64 */
size_t x86_put_lea_rip(uint8_t *to, unsigned int reg, int32_t disp);	 /* lea r64, [rip+disp] */
size_t x86_put_mov_from_fs(uint8_t *to, unsigned int reg, int32_t disp); /* mov r64, fs:[disp] */
size_t x86_put_lea_rcx_rcx(uint8_t *to, int32_t disp);	       /* lea rcx, [rcx+disp]: no flags */
size_t x86_put_cmp_fs(uint8_t *to, int32_t disp, int32_t imm); /* cmp qword fs:[disp], imm32 */
size_t x86_put_jrcxz(uint8_t *to, int8_t disp);		       /* jrcxz rel8 */
/* mov rax, [rcx+disp]; lea rax, [rax+1]; mov [rcx+disp], rax: no flags */
size_t x86_put_add_one_rcx_rax(uint8_t *to, int32_t disp);
size_t x86_put_inc_rcx(uint8_t *to, int32_t disp); /* inc qword [rcx+disp]: flags */
size_t x86_put_mov_rip(uint8_t *to, unsigned int reg, int32_t disp); /* mov r64, [rip+disp] */
size_t x86_put_movzx_ecx_ax(uint8_t *to);			     /* movzx ecx, ax */
size_t x86_put_load_ecx_r11_rcx(uint8_t *to);			     /* movzx ecx, byte [r11+rcx] */
/* What follows changes no flags. A register of 1, 2, 4 or 8 bytes, extended to rcx. */
size_t x86_put_extend_to_rcx(uint8_t *to, unsigned int reg, unsigned int size, bool is_signed);
size_t x86_put_extend_top_to_rcx(uint8_t *to, unsigned int size, bool is_signed); /* from [rsp] */
size_t x86_put_lea_rcx_rsp(uint8_t *to, int32_t disp); /* lea rcx, [rsp+disp] */
size_t x86_put_bswap_rcx(uint8_t *to);
size_t x86_put_mov_imm32_rsp(uint8_t *to, int8_t disp,
			     uint32_t imm); /* mov dword [rsp+disp], imm32 */

#endif
