/* SPDX-License-Identifier: MIT */
/*
 * The first instruction of each function is what its probe has to get past. All are short, keep
 * the stack as the psABI wants it, and stand apart (one cache line each), so that changing one
 * does not disturb another. Five bytes and more each: a jump fits.
 */
	.text

	.macro	shape name
	.p2align 6
	.globl	shape_\name
	.hidden	shape_\name
	.type	shape_\name, @function
shape_\name:
	.cfi_startproc
	.endm

	.macro	end name
	.cfi_endproc
	.size	shape_\name, . - shape_\name
	.endm

	shape	push
	push	%rbx
	.cfi_adjust_cfa_offset 8
	xor	%eax, %eax
	xor	%ecx, %ecx
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	ret
	end	push

	shape	sub
	sub	$24, %rsp
	.cfi_adjust_cfa_offset 24
	xor	%eax, %eax
	add	$24, %rsp
	.cfi_adjust_cfa_offset -24
	ret
	end	sub

	shape	mov
	mov	%rdi, %rax
	xor	%ecx, %ecx
	ret
	end	mov

	shape	lea
	lea	8(%rdi), %rax
	xor	%ecx, %ecx
	ret
	end	lea

	shape	endbr64
	endbr64
	xor	%eax, %eax
	ret
	end	endbr64

	shape	nop5
	.byte	0x0f, 0x1f, 0x44, 0x00, 0x00	# nopl 0(%rax,%rax,1): gas would drop the 0
	ret
	end	nop5

	shape	ret
	ret
	nopl	0(%rax,%rax,1)		# where a compiler would align the next function
	end	ret

	shape	sse
	pxor	%xmm0, %xmm0
	xor	%eax, %eax
	ret
	end	sse

	shape	rip
	mov	shape_data(%rip), %rax
	ret
	end	rip

	shape	call
	call	shape_leaf
	ret
	end	call

	shape	leaf
	ret
	end	leaf

	shape	int3
	int3
	ret
	end	int3

	shape	restorer
	push	$15			# __NR_rt_sigreturn; the engine would guard a mov
	pop	%rax
	syscall
	end	restorer

	.section .rodata
	.p2align 3
shape_data:
	.quad	0

	.section .note.GNU-stack, "", @progbits
