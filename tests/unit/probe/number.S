/* SPDX-License-Identifier: MIT */
/* System calls that are never made: where does each have its number from? See number.c. */
	.macro	begin name
	.balign	16, 0x90
	.globl	number_\name
	.hidden	number_\name
	.type	number_\name, @function
number_\name:
	.cfi_startproc
	.endm
	/* The call itself is number_\name\()_call. */
	.macro	ask name
	.globl	number_\name\()_call
	.hidden	number_\name\()_call
number_\name\()_call:
	syscall
	.endm
	.macro	end name
	ret
	.cfi_endproc
	.size	number_\name, . - number_\name
	.endm

	.text
	.fill	600, 1, 0x90		# far from other numbers

	begin	in_sight
	mov	$14, %eax		# rt_sigprocmask
	mov	$8, %r10d
	ask	in_sight
	end	in_sight
	.fill	600, 1, 0x90

	begin	other			# write
	mov	$1, %eax
	ask	other
	end	other
	.fill	600, 1, 0x90

	begin	behind_branch		# it may be another number by then, but is a likely one
	mov	$14, %eax
	jmp	1f
1:	ask	behind_branch
	end	behind_branch
	.fill	600, 1, 0x90

	begin	kept
	mov	$14, %r15d
	.fill	200, 1, 0x90
	mov	%r15d, %eax
	ask	kept
	end	kept
	.fill	600, 1, 0x90

	begin	kept_low
	mov	$13, %ebx
	.fill	200, 1, 0x90
	mov	%ebx, %eax
	ask	kept_low
	end	kept_low
	.fill	600, 1, 0x90

	begin	kept_other
	mov	$39, %r15d
	.fill	40, 1, 0x90
	mov	%r15d, %eax
	ask	kept_other
	end	kept_other
	.fill	600, 1, 0x90

	begin	kept_elsewhere		# in EDI, which is not R15
	mov	$14, %edi
	mov	%r15d, %eax
	ask	kept_elsewhere
	end	kept_elsewhere
	.fill	600, 1, 0x90

	begin	long			# movq $131, %rax: sigaltstack, as Go has it
	.byte	0x48, 0xc7, 0xc0, 131, 0, 0, 0
	ask	long
	end	long
	.fill	600, 1, 0x90

	begin	near			# in a register, from which %eax may have it elsewhere
	mov	$14, %ecx
	mov	$1, %eax
	ask	near
	end	near
	.fill	600, 1, 0x90

	begin	too_far
	mov	$14, %ecx
	.fill	600, 1, 0x90
	mov	$1, %eax
	ask	too_far
	end	too_far
	.fill	600, 1, 0x90

	begin	argument		# syscall(2)
	mov	%rdi, %rax
	mov	%rsi, %rdi
	ask	argument
	end	argument
	.fill	600, 1, 0x90

	begin	from_stack
	mov	$1, %eax
	pop	%rax
	ask	from_stack
	end	from_stack
	.fill	600, 1, 0x90

	begin	from_memory
	mov	$1, %eax
	mov	8(%rsp), %eax
	ask	from_memory
	end	from_memory
	.fill	600, 1, 0x90

	begin	behind_call		# a function may return anything
	mov	$1, %eax
	call	*%rbx
	ask	behind_call
	end	behind_call
	.fill	600, 1, 0x90

	begin	zero			# read
	xor	%eax, %eax
	ask	zero
	end	zero
	.fill	600, 1, 0x90

	begin	no_code			# what stands behind it is nothing that a program would do
	mov	%rdi, %rax
	ask	no_code
	paddd	%xmm0, %xmm0
	end	no_code
	.fill	600, 1, 0x90

	begin	inside			# no instruction begins there: it is an immediate
	.byte	0xba			# mov $imm32, %edx
	.globl	number_inside_call
	.hidden	number_inside_call
number_inside_call:
	.byte	0x0f, 0x05, 0, 0
	end	inside
	.fill	600, 1, 0x90

	.globl	number_restorer_call	# what signal handlers return to; in no function
	.hidden	number_restorer_call
	.byte	0x48, 0xc7, 0xc0, 15, 0, 0, 0
number_restorer_call:
	syscall
	.fill	600, 1, 0x90

	.section .note.GNU-stack, "", @progbits
