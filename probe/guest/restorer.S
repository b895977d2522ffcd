/* SPDX-License-Identifier: MIT */
/*
 * Where our signal handlers return to. libc's own could be probed. libgcc and gdb know a signal
 * frame by these very bytes, but libunwind only by unwind information:
 *
 *	rsp ->	ucontext_t, with gregs at 40: r8 .. r15 rdi rsi rbp rbx rdx rax rcx rsp rip
 *
 *	48 c7 c0 0f 00 00 00	mov $15, %rax	(rt_sigreturn)
 *	0f 05			syscall
 */
	/* Column @column of DWARF is the number @index of gregs: DW_CFA_expression { rsp + offset }. */
	.macro	saved column:req, index:req
	.cfi_escape 0x10, \column, 3, 0x77, (40 + 8 * \index) & 0x7f | 0x80, (40 + 8 * \index) >> 7
	.endm

	.section ep_trap_path, "ax", @progbits
	.balign	16
	.cfi_startproc
	.cfi_signal_frame
	.cfi_escape 0x0f, 4, 0x77, 0xa0, 0x01, 0x06	# CFA: what is at rsp + 160
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	saved	\n, (\n-8)
	.endr
	saved	5, 8			# rdi
	saved	4, 9			# rsi
	saved	6, 10			# rbp
	saved	3, 11			# rbx
	saved	1, 12			# rdx
	saved	0, 13			# rax
	saved	2, 14			# rcx
	saved	7, 15			# rsp
	saved	16, 16			# rip
	nop				# unwinders look up pc - 1
	.globl	signals_restorer
	.hidden	signals_restorer
	.type	signals_restorer, @function
signals_restorer:
	movq	$15, %rax
	syscall
	.cfi_endproc
	nopl	0x62757065(%rax)	# never executed: another engine knows us by it
	.size	signals_restorer, . - signals_restorer
	.section .note.GNU-stack, "", @progbits
