/* SPDX-License-Identifier: MIT */
/*
 * run:  host registers -> stack, run_in -> processor, jmp *run_in.rip
 *                                                          |
 *                                                 one instruction, a jump
 *                                                          |
 * run_exit:            host registers <- stack, processor -> run_out
 */
#include "tests/unit/fallback-xol/run.h"
#include "x86/regs.h"

	.text
	.globl	run
	.type	run, @function
run:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, host_rsp(%rip)
	movl	$-1, %eax			# all that the system has enabled
	movl	$-1, %edx
	xrstor64 run_in+RUN_VECTOR(%rip)
	pushq	run_in+EP_REGS_RFLAGS(%rip)
	popfq
	movq	run_in+EP_REGS_R8(%rip), %r8
	movq	run_in+EP_REGS_R9(%rip), %r9
	movq	run_in+EP_REGS_R10(%rip), %r10
	movq	run_in+EP_REGS_R11(%rip), %r11
	movq	run_in+EP_REGS_R12(%rip), %r12
	movq	run_in+EP_REGS_R13(%rip), %r13
	movq	run_in+EP_REGS_R14(%rip), %r14
	movq	run_in+EP_REGS_R15(%rip), %r15
	movq	run_in+EP_REGS_RDI(%rip), %rdi
	movq	run_in+EP_REGS_RSI(%rip), %rsi
	movq	run_in+EP_REGS_RBP(%rip), %rbp
	movq	run_in+EP_REGS_RBX(%rip), %rbx
	movq	run_in+EP_REGS_RDX(%rip), %rdx
	movq	run_in+EP_REGS_RAX(%rip), %rax
	movq	run_in+EP_REGS_RCX(%rip), %rcx
	movq	run_in+EP_REGS_RSP(%rip), %rsp
	jmp	*run_in+EP_REGS_RIP(%rip)
	.size	run, .-run

	.globl	run_exit
	.type	run_exit, @function
run_exit:
	movq	%r8, run_out+EP_REGS_R8(%rip)
	movq	%r9, run_out+EP_REGS_R9(%rip)
	movq	%r10, run_out+EP_REGS_R10(%rip)
	movq	%r11, run_out+EP_REGS_R11(%rip)
	movq	%r12, run_out+EP_REGS_R12(%rip)
	movq	%r13, run_out+EP_REGS_R13(%rip)
	movq	%r14, run_out+EP_REGS_R14(%rip)
	movq	%r15, run_out+EP_REGS_R15(%rip)
	movq	%rdi, run_out+EP_REGS_RDI(%rip)
	movq	%rsi, run_out+EP_REGS_RSI(%rip)
	movq	%rbp, run_out+EP_REGS_RBP(%rip)
	movq	%rbx, run_out+EP_REGS_RBX(%rip)
	movq	%rdx, run_out+EP_REGS_RDX(%rip)
	movq	%rax, run_out+EP_REGS_RAX(%rip)
	movq	%rcx, run_out+EP_REGS_RCX(%rip)
	movq	%rsp, run_out+EP_REGS_RSP(%rip)
	movq	host_rsp(%rip), %rsp
	pushfq
	popq	run_out+EP_REGS_RFLAGS(%rip)
	cld
	movl	$-1, %eax
	movl	$-1, %edx
	xsave64	run_out+RUN_VECTOR(%rip)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
	.size	run_exit, .-run_exit

	.bss
	.balign	64
host_rsp:
	.skip	64
	.globl	run_in, run_out
run_in:
	.skip	RUN_VECTOR + 16384
	.balign	64
run_out:
	.skip	RUN_VECTOR + 16384

	.section .note.GNU-stack, "", @progbits
