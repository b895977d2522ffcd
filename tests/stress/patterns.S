/* SPDX-License-Identifier: MIT */
/*
 * One function for each set of boundaries inside five bytes. Each instruction of the region adds
 * one to rdi or to rsi, so that the result tells how many were executed, and the loop goes back to
 * any boundary by an indirect jump, which no analysis sees.
 *
 * uint64_t pattern_N(uint64_t zero, const char *bytes, const void *back, uint64_t loops)
 */
	.macro	L1
	lodsb				# al = *rsi++
	.endm
	.macro	L2
	inc	%edi
	.endm
	.macro	L3
	add	$1, %edi
	.endm
	.macro	L4
	lea	1(%rdi), %rdi
	.endm
	.macro	L7
	.byte	0x48, 0x81, 0xc7	# add $1, %rdi, with imm32
	.long	1
	.endm

	.macro	PATTERN name, a, b, c, d, e
	.balign	16
	.globl	pattern_\name
	.type	pattern_\name, @function
pattern_\name:
	.cfi_startproc
	\a
	.ifnb	\b
	\b
	.endif
	.ifnb	\c
	\c
	.endif
	.ifnb	\d
	\d
	.endif
	.ifnb	\e
	\e
	.endif
	test	%rcx, %rcx
	jz	1f
	dec	%rcx
	jmp	*%rdx
1:	lea	(%rdi, %rsi), %rax
	ret
	.cfi_endproc
	.size	pattern_\name, . - pattern_\name
	.endm

	.text
	PATTERN none, L7
	PATTERN 1, L1, L4
	PATTERN 2, L2, L3
	PATTERN 3, L3, L2
	PATTERN 4, L4, L2
	PATTERN 12, L1, L1, L3
	PATTERN 13, L1, L2, L2
	PATTERN 14, L1, L3, L2
	PATTERN 23, L2, L1, L3
	PATTERN 24, L2, L2, L4
	PATTERN 34, L3, L1, L7
	PATTERN 123, L1, L1, L1, L2
	PATTERN 124, L1, L1, L2, L3
	PATTERN 134, L1, L2, L1, L4
	PATTERN 234, L2, L1, L1, L7
	PATTERN 1234, L1, L1, L1, L1, L2
	.section .note.GNU-stack, "", @progbits
