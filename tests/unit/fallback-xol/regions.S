/* SPDX-License-Identifier: MIT */
/*
 * Regions to be overwritten by a jump: all patterns of boundaries, all kinds of control flow. Each
 * ends at run_exit. "entries" are the offsets at which it makes sense to begin.
 */
#include "tests/unit/fallback-xol/run.h"

	.macro	region text:req
	.section .rodata.str, "aMS", @progbits, 1
91:	.asciz	"\text"
	.section regions, "ax", @progbits
	.balign	32
92:	\text
93:	jmp	run_exit
	.skip	16, 0xcc
	.section .data.rel.ro, "aw"
	.quad	92b, 93b, 91b, RUN_BASELINE
	.section regions, "ax", @progbits
	.endm

	.section .data.rel.ro, "aw"
	.balign	8
	.globl	run_regions
run_regions:

	# patterns of boundaries: none, each alone, pairs, ... all
	region	"mov $0x12345678, %eax"
	region	"movabs $0x123456789abcdef0, %rdx"
	region	"push %rbx; movl $7, (%rdi)"
	region	"xor %eax, %eax; mov %rsi, %r8"
	region	"mov %rdi, %rax; mov %rsi, %r9"
	region	"endbr64; push %rbx"
	region	"endbr64; sub $16, %rsp"
	region	"push %rbp; mov %rsp, %rbp; sub $16, %rsp"
	region	"push %rbp; push %rbx; lea 8(%rdi), %rdx"
	region	"push %rbp; push %r12; add $1, %r9"
	region	"push %r12; push %rbp; push %rbx; inc %rdx"
	region	"push %r15; push %r14; push %r13"
	region	"mov %rsp, %r8; push %rax; push %rcx"
	region	"mov %rsp, %r8; push %rax; pop %rcx; add $5, %r9"
	region	"push %rax; push %rcx; push %rdx; push %rbx; push %rsi"
	region	"push %rax; push %rcx; xor %r9d, %r9d; inc %edx"
	region	"xor %edx, %edx; push %rcx; xor %edi, %edi"
	region	"push %rax; mov %rdi, %rdx; push %rbx"
	region	"cmp $5, %ecx; sete %dl"
	region	"sub $8, %rsp; mov run_data(%rip), %rax"
	region	"add run_data(%rip), %rdi"
	region	"push %rax; lea run_data(%rip), %rsi"
	region	"push %rax; lock incl run_data+8(%rip)"
	region	"stc; adc $0, %rdx; std"
	region	"cld; movsb; stosb; lodsb; clc"
	region	"xor %edx, %edx; syscall; push %rcx; push %r11"

	# control flow
	region	"jmp 1f; inc %edx; inc %edx; 1: inc %rax"
	region	"nop; jmp 1f; inc %edx; 1: inc %rax"
	region	"test %rcx, %rcx; je 1f; inc %rdx; 1: inc %rax"
	region	"test %rcx, %rcx; jne 1f; inc %rdx; 1: inc %rax"
	region	"cmp %rax, %rax; je run_exit; inc %rdx"
	region	"jrcxz 1f; inc %rdx; inc %rsi; 1: inc %rax"
	region	"nop; jecxz 1f; inc %rdx; 1: inc %rax"
	region	"inc %eax; loop 1f; inc %rdx; 1: inc %rsi"
	region	"nop; loopne 1f; inc %rdx; 1: inc %rsi"
	region	"call 1f; 1: inc %rax"
	region	"nop; call 1f; inc %edx; 1: inc %rax"
	region	"call *run_pointer(%rip); inc %edx"
	region	"nop; call *run_pointer(%rip); inc %edx"
	region	"lea run_callee(%rip), %rdx; call *%rdx; inc %rsi"
	region	"lea run_callee(%rip), %rdx; jmp *%rdx"
	region	"push run_pointer(%rip); ret"
	region	"push run_pointer(%rip); push %rax; call *8(%rsp)"
	region	"jmp *run_pointer(%rip)"
	region	"nop; jmp *run_pointer(%rip)"

	.section .data.rel.ro, "aw"
	.globl	run_regions_end
run_regions_end:

	.data
	.globl	run_pointer
	.balign	8
run_pointer:
	.quad	run_callee

	.text
	.globl	run_callee
run_callee:
	inc	%r15
	jmp	run_exit

	.section .note.GNU-stack, "", @progbits
