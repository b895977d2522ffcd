/* SPDX-License-Identifier: MIT */
/* A call that looks at what it finds in all registers and flags, and a caller that does the same. */
	.text

	# All that matters of a frame: the general registers but RSP, and RFLAGS.
	.macro	for_each what:req
	\what	rax, 0
	\what	rcx, 8
	\what	rdx, 16
	\what	rbx, 24
	\what	rbp, 32
	\what	rsi, 40
	\what	rdi, 48
	\what	r8, 56
	\what	r9, 64
	\what	r10, 72
	\what	r11, 80
	\what	r12, 88
	\what	r13, 96
	\what	r14, 104
	\what	r15, 112
	.endm

	.macro	save_one reg:req, at:req
	movq	%\reg, \at(%rsp)
	.endm

	.macro	load_given reg:req, at:req
	movq	counted_given+\at(%rip), %\reg
	.endm

	.macro	load_returned reg:req, at:req
	movq	counted_returned+\at(%rip), %\reg
	.endm

	.macro	store_found reg:req, at:req
	movq	%\reg, counted_found+\at(%rip)
	.endm

	.macro	store_back reg:req, at:req
	movq	%\reg, counted_back+\at(%rip)
	.endm

	# void counted_callee(void): five bytes that a jump fits into first.
	.globl	counted_callee
	.hidden	counted_callee
	.type	counted_callee, @function
	.p2align 4
counted_callee:
	.cfi_startproc
	leaq	-8(%rsp), %rsp
	.cfi_adjust_cfa_offset 8
	for_each store_found
	pushfq
	.cfi_adjust_cfa_offset 8
	popq	counted_found+120(%rip)
	.cfi_adjust_cfa_offset -8
	pushq	counted_returned+120(%rip)
	.cfi_adjust_cfa_offset 8
	popfq
	.cfi_adjust_cfa_offset -8
	for_each load_returned
	leaq	8(%rsp), %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	counted_callee, .-counted_callee

	# void counted_call(void)
	.globl	counted_call
	.hidden	counted_call
	.type	counted_call, @function
counted_call:
	.cfi_startproc
	leaq	-128(%rsp), %rsp
	.cfi_adjust_cfa_offset 128
	for_each save_one
	pushq	counted_given+120(%rip)
	.cfi_adjust_cfa_offset 8
	popfq
	.cfi_adjust_cfa_offset -8
	for_each load_given
	call	counted_callee
	for_each store_back
	pushfq
	.cfi_adjust_cfa_offset 8
	popq	counted_back+120(%rip)
	.cfi_adjust_cfa_offset -8
	cld
	movq	24(%rsp), %rbx
	movq	32(%rsp), %rbp
	movq	88(%rsp), %r12
	movq	96(%rsp), %r13
	movq	104(%rsp), %r14
	movq	112(%rsp), %r15
	leaq	128(%rsp), %rsp
	.cfi_adjust_cfa_offset -128
	ret
	.cfi_endproc
	.size	counted_call, .-counted_call

	# void counted_many(void): a tiny function called from 300 places.
	.globl	counted_tiny
	.hidden	counted_tiny
	.type	counted_tiny, @function
	.p2align 4
counted_tiny:
	.cfi_startproc
	leaq	1(%rdi), %rax
	leaq	1(%rax), %rdi
	ret
	.cfi_endproc
	.size	counted_tiny, .-counted_tiny

	.globl	counted_many
	.hidden	counted_many
	.type	counted_many, @function
counted_many:
	.cfi_startproc
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.rept	300
	call	counted_tiny
	.endr
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	counted_many, .-counted_many

	.section .note.GNU-stack, "", @progbits
