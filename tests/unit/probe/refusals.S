/* SPDX-License-Identifier: MIT */
/* Places where a probe, or a jump, cannot stand. */
	.text
	.macro	function name
	.balign	16
	.globl	\name
	.type	\name, @function
\name:
	.cfi_startproc
	.endm
	.macro	end name
	.cfi_endproc
	.size	\name, . - \name
	.endm

	/* long restartable(long *counter): an int3 between the labels would abort it. */
	function restartable
	xor	%eax, %eax
	.globl	rseq_begin, rseq_end
rseq_begin:
	incq	(%rdi)
	mov	(%rdi), %rax
	nop
rseq_end:
	ret
	.long	0x53053053		# RSEQ_SIG
rseq_abort:
	ret
	end restartable

	.section __rseq_cs, "aw"
	.balign	32
	.long	0, 0
	.quad	rseq_begin, rseq_end - rseq_begin, rseq_abort
	.text

	function over_iret
	nop
	iretq
	nop
	nop
	end over_iret

	.section .note.GNU-stack, "", @progbits
