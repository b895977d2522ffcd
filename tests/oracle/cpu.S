/* SPDX-License-Identifier: MIT */
/*
 * Runs one instruction of the code page on a register file of its own.
 *
 *   cpu_enter:  cpu_regs -> registers;  jmp *cpu_start      the instruction, alone in its page
 *   cpu_exit_N: cpu_outcome = N;  registers -> cpu_regs;  return to the caller of cpu_enter
 *
 * Behind the instruction, and wherever it may branch to, the page has a jump to some cpu_exit_N.
 * Nothing between the instruction and pushfq changes a flag.
 */
#include "x86/regs.h"

	.bss
	.balign	16
	.globl	cpu_regs, cpu_start, cpu_outcome
cpu_regs:
	.skip	EP_REGS_SIZE
cpu_start:
	.skip	8
own_rsp:
	.skip	8
cpu_outcome:
	.skip	8

	.text
	.globl	cpu_enter
	.type	cpu_enter, @function
cpu_enter:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, own_rsp(%rip)
	pushq	EP_REGS_RFLAGS + cpu_regs(%rip)
	popfq
	movq	EP_REGS_R8 + cpu_regs(%rip), %r8
	movq	EP_REGS_R9 + cpu_regs(%rip), %r9
	movq	EP_REGS_R10 + cpu_regs(%rip), %r10
	movq	EP_REGS_R11 + cpu_regs(%rip), %r11
	movq	EP_REGS_R12 + cpu_regs(%rip), %r12
	movq	EP_REGS_R13 + cpu_regs(%rip), %r13
	movq	EP_REGS_R14 + cpu_regs(%rip), %r14
	movq	EP_REGS_R15 + cpu_regs(%rip), %r15
	movq	EP_REGS_RDI + cpu_regs(%rip), %rdi
	movq	EP_REGS_RSI + cpu_regs(%rip), %rsi
	movq	EP_REGS_RBP + cpu_regs(%rip), %rbp
	movq	EP_REGS_RBX + cpu_regs(%rip), %rbx
	movq	EP_REGS_RDX + cpu_regs(%rip), %rdx
	movq	EP_REGS_RAX + cpu_regs(%rip), %rax
	movq	EP_REGS_RCX + cpu_regs(%rip), %rcx
	movq	EP_REGS_RSP + cpu_regs(%rip), %rsp
	jmp	*cpu_start(%rip)
	.size	cpu_enter, . - cpu_enter

	.macro	EXIT number
	.globl	cpu_exit_\number
cpu_exit_\number:
	movq	$\number, cpu_outcome(%rip)
	jmp	save
	.endm
	EXIT	0			# went on behind the instruction
	EXIT	1			# branched
	EXIT	2			# faulted: the signal handler came here

save:
	movq	%rsp, EP_REGS_RSP + cpu_regs(%rip)
	movq	own_rsp(%rip), %rsp
	pushfq
	popq	EP_REGS_RFLAGS + cpu_regs(%rip)
	movq	%r8, EP_REGS_R8 + cpu_regs(%rip)
	movq	%r9, EP_REGS_R9 + cpu_regs(%rip)
	movq	%r10, EP_REGS_R10 + cpu_regs(%rip)
	movq	%r11, EP_REGS_R11 + cpu_regs(%rip)
	movq	%r12, EP_REGS_R12 + cpu_regs(%rip)
	movq	%r13, EP_REGS_R13 + cpu_regs(%rip)
	movq	%r14, EP_REGS_R14 + cpu_regs(%rip)
	movq	%r15, EP_REGS_R15 + cpu_regs(%rip)
	movq	%rdi, EP_REGS_RDI + cpu_regs(%rip)
	movq	%rsi, EP_REGS_RSI + cpu_regs(%rip)
	movq	%rbp, EP_REGS_RBP + cpu_regs(%rip)
	movq	%rbx, EP_REGS_RBX + cpu_regs(%rip)
	movq	%rdx, EP_REGS_RDX + cpu_regs(%rip)
	movq	%rax, EP_REGS_RAX + cpu_regs(%rip)
	movq	%rcx, EP_REGS_RCX + cpu_regs(%rip)
	pushq	$0x202			# no DF, no AC for C
	popfq
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
