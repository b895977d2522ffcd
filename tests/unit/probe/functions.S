/* SPDX-License-Identifier: MIT */
/* Functions to probe, one first instruction each. All return rdi + rsi. */
	.text
	.macro	FUNCTION name
	.balign	16
	.globl	\name
	.type	\name, @function
\name:
	.cfi_startproc
	.endm
	.macro	END name
	.cfi_endproc
	.size	\name, . - \name
	.endm

FUNCTION starts_with_push
	push	%rbp
	.cfi_adjust_cfa_offset 8
	mov	%rsp, %rbp
	lea	(%rdi, %rsi), %rax
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	ret
END starts_with_push

FUNCTION starts_with_lea
	lea	(%rdi, %rsi), %rax
	ret
END starts_with_lea

FUNCTION starts_with_call
	call	starts_with_lea
	ret
END starts_with_call

FUNCTION starts_with_jmp
	jmp	starts_with_lea
END starts_with_jmp

FUNCTION starts_with_jcc
	jz	1f			# flags are set by the caller's call_with_flags
1:	lea	(%rdi, %rsi), %rax
	ret
END starts_with_jcc

FUNCTION starts_with_sse
	movq	%rdi, %xmm0
	movq	%rsi, %xmm1
	paddq	%xmm1, %xmm0
	movq	%xmm0, %rax
	ret
END starts_with_sse

FUNCTION starts_with_rip_relative
	movdqa	constant(%rip), %xmm0	# boosted, relocated
	movq	%xmm0, %rax
	add	%rdi, %rax
	add	%rsi, %rax
	ret
END starts_with_rip_relative

FUNCTION starts_with_endbr
	endbr64
	lea	(%rdi, %rsi), %rax
	ret
END starts_with_endbr

FUNCTION starts_with_nop
	nopl	0(%rax, %rax)
	lea	(%rdi, %rsi), %rax
	ret
END starts_with_nop

/* A leaf that keeps its sum in the red zone; in_red_zone is probed. */
FUNCTION uses_red_zone
	mov	%rdi, -8(%rsp)
	mov	%rsi, -128(%rsp)
	.globl	in_red_zone
in_red_zone:
	xor	%eax, %eax
	add	-8(%rsp), %rax
	add	-128(%rsp), %rax
	ret
END uses_red_zone

/* The same around an instruction that is boosted. */
FUNCTION uses_red_zone_boosted
	mov	%rdi, -8(%rsp)
	mov	%rsi, -128(%rsp)
	.globl	in_red_zone_boosted
in_red_zone_boosted:
	pxor	%xmm0, %xmm0
	mov	-8(%rsp), %rax
	add	-128(%rsp), %rax
	ret
END uses_red_zone_boosted

/*
 * void call_with_registers(void (*function)(void), uint64_t *in, uint64_t *out)
 * Loads all but rsp from in[0..15] (in the order of struct ep_regs: r8..r15, rdi, rsi, rbp, rbx,
 * rdx, rax, rcx, rsp) and flags from in[17]; stores what is there afterwards to out.
 */
FUNCTION call_with_registers
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdx			# 8(%rsp): out
	push	%rdi			# (%rsp): function
	mov	%rsi, %rax
	mov	0(%rax), %r8
	mov	8(%rax), %r9
	mov	16(%rax), %r10
	mov	24(%rax), %r11
	mov	32(%rax), %r12
	mov	40(%rax), %r13
	mov	48(%rax), %r14
	mov	56(%rax), %r15
	mov	64(%rax), %rdi
	mov	72(%rax), %rsi
	mov	80(%rax), %rbp
	mov	88(%rax), %rbx
	mov	96(%rax), %rdx
	mov	112(%rax), %rcx
	pushq	136(%rax)
	mov	104(%rax), %rax
	popfq
	call	*(%rsp)
	pushfq
	xchg	%rax, 16(%rsp)		# rax is saved in out's place, out is in rax
	mov	%r8, 0(%rax)
	mov	%r9, 8(%rax)
	mov	%r10, 16(%rax)
	mov	%r11, 24(%rax)
	mov	%r12, 32(%rax)
	mov	%r13, 40(%rax)
	mov	%r14, 48(%rax)
	mov	%r15, 56(%rax)
	mov	%rdi, 64(%rax)
	mov	%rsi, 72(%rax)
	mov	%rbp, 80(%rax)
	mov	%rbx, 88(%rax)
	mov	%rdx, 96(%rax)
	mov	%rcx, 112(%rax)
	popq	136(%rax)
	mov	8(%rsp), %rcx
	mov	%rcx, 104(%rax)
	mov	%rsp, 120(%rax)
	add	$16, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
END call_with_registers

	.section .rodata
	.balign	16
constant:
	.quad	0, 0
	.section .note.GNU-stack, "", @progbits
