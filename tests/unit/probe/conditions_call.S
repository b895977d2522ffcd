/* SPDX-License-Identifier: MIT */
/* Calls a probed function with chosen registers, and shows what they are when it has returned. */
#include "x86/regs.h"

	.macro	each what:req
	\what	EP_REGS_R8, %r8
	\what	EP_REGS_R9, %r9
	\what	EP_REGS_R10, %r10
	\what	EP_REGS_R11, %r11
	\what	EP_REGS_R12, %r12
	\what	EP_REGS_R13, %r13
	\what	EP_REGS_R14, %r14
	\what	EP_REGS_R15, %r15
	\what	EP_REGS_RDI, %rdi
	\what	EP_REGS_RSI, %rsi
	\what	EP_REGS_RBP, %rbp
	\what	EP_REGS_RBX, %rbx
	\what	EP_REGS_RDX, %rdx
	\what	EP_REGS_RAX, %rax
	\what	EP_REGS_RCX, %rcx
	.endm
	.macro	load at:req, reg:req
	movq	conditions_in+\at(%rip), \reg
	.endm
	.macro	store at:req, reg:req
	movq	\reg, conditions_out+\at(%rip)
	.endm

	.text
	.globl	conditions_call
	.type	conditions_call, @function
conditions_call:
	.irp	reg, rbx, rbp, r12, r13, r14, r15
	pushq	%\reg
	.endr
	pushq	conditions_in+EP_REGS_RFLAGS(%rip)
	popfq
	each	load
	call	*conditions_target(%rip)
	each	store
	pushfq
	popq	conditions_out+EP_REGS_RFLAGS(%rip)
	leaq	-8(%rsp), %rax		# what it was at the target
	movq	%rax, conditions_out+EP_REGS_RSP(%rip)
	cld
	.irp	reg, r15, r14, r13, r12, rbp, rbx
	popq	%\reg
	.endr
	ret
	.size	conditions_call, . - conditions_call

	# For as many different conditions: code is made for each.
	.globl	conditions_targets
	.type	conditions_targets, @function
	.p2align 4
conditions_targets:
	.rept	64
	nopl	0(%rax,%rax,1)
	ret
	.balign	16
	.endr
	.size	conditions_targets, . - conditions_targets

	.section .note.GNU-stack, "", @progbits
