/* SPDX-License-Identifier: MIT */
/* What may and may not be promoted, and what pays, see promote.c. */
	.macro	begin name
	.globl	promote_\name
	.hidden	promote_\name
	.type	promote_\name, @function
promote_\name:
	.cfi_startproc
	.endm
	.macro	end name
	.cfi_endproc
	.size	promote_\name, . - promote_\name
	.endm
	.macro	separate
	.balign	16, 0x90
	.endm

	.text
	separate

	begin	padding			# NOPs behind the function
	ret
	end	padding
	separate

	begin	data			# a table behind the function
	ret
	end	data
	.byte	0x31, 0xc0, 0x31, 0xc0
	separate

	begin	entry			# a function behind the function
	xor	%eax, %eax
	ret
	end	entry
	begin	behind
	mov	$1, %eax
	ret
	end	behind
	separate

	begin	part			# a part of another function behind the function
	xor	%eax, %eax
	ret
	end	part
	.cfi_startproc
	.cfi_def_cfa_offset 32
	add	$24, %rsp
	ret
	.cfi_endproc
	separate

	begin	target			# a branch back to a boundary
	xor	%eax, %eax
1:	dec	%edi
	jne	1b
	ret
	end	target
	separate

	begin	far_target		# the same with a rel32, from far behind
	xor	%eax, %eax
1:	dec	%edi
	ret
	.fill	600, 1, 0x90
	jne	1b
	ret
	end	far_target
	separate

	begin	loop_target		# the same with a loop
	mov	%edi, %ecx
1:	nop
	nop
	loop	1b
	ret
	end	loop_target
	separate

	.cfi_startproc			# the same in a part: it is seldom executed
	.cfi_def_cfa_offset 32
	.globl	promote_target_in_part
	.hidden	promote_target_in_part
promote_target_in_part:
	xor	%eax, %eax
1:	dec	%edi
	jne	1b
	ret
	.cfi_endproc
	separate

	begin	return			# a call that returns to a boundary
	push	%rbx
	call	*%rdi
	pop	%rbx
	ret
	end	return

	.section .note.GNU-stack, "", @progbits
