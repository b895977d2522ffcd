/* SPDX-License-Identifier: MIT */
/*
 * void roomy_call(void (*run)(void), void *top)
 *
 *	caller's stack		| return address | rbp |	<- rbp, while run() runs
 *	stack that ends at top	| return address of run() | ...
 *
 * RBP leads back, for unwinders too: the frame pointer's rules hold on either stack.
 */
	.text
	.globl	roomy_call
	.hidden	roomy_call
	.type	roomy_call, @function
roomy_call:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	movq	%rsi, %rsp		# @top is a multiple of 16, as the ABI wants it here
	call	*%rdi
	movq	%rbp, %rsp
	popq	%rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size	roomy_call, . - roomy_call

	.section .note.GNU-stack, "", @progbits
