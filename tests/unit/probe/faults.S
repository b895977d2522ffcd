/* SPDX-License-Identifier: MIT */
/*
 * Functions in which one instruction faults, with something in front of it. They are called by
 * fault_call() with rdi as said, rsi = readable and writable memory, rdx = 0, rax = 1, rcx = 8.
 * The stack pointer, where they move it, waits in r11. Behind `end` they return.
 */
#include "tests/unit/probe/faults.h"

	.section fault_table, "aw"
	.globl	fault_cases
fault_cases:
	.text
	/* case NAME, ARGUMENT: begins a function. fault: the next instruction is the one. */
	.macro	case name, argument
	.balign	16
	.globl	fault_\name
	.type	fault_\name, @function
fault_\name:
	.cfi_startproc
	.pushsection fault_table, "aw"
	.quad	fault_\name, .Lfault_\name, .Lskip_\name, \argument, .Lname_\name
	.popsection
	.pushsection .rodata.str1.1, "aMS", @progbits, 1
.Lname_\name:
	.string	"\name"
	.popsection
	.endm

	.macro	fault name
.Lfault_\name:
	.endm

	.macro	end name
.Lskip_\name:
	ret
	.cfi_endproc
	.size	fault_\name, . - fault_\name
	.balign	16, 0xcc
	.endm

	/* One instruction behind another, which is what a jump displaces too. */
	.macro	simple name, argument, insn:vararg
	case	\name, \argument
	mov	%rdx, %r10
	fault	\name
	\insn
	end	\name
	/* And it alone. */
	case	\name\()_first, \argument
	fault	\name\()_first
	\insn
	nop
	nop
	end	\name\()_first
	.endm

	/* With the stack pointer at the argument. */
	.macro	on_stack name, argument, insn:vararg
	case	\name, \argument
	mov	%rsp, %r11
	mov	%rdi, %rsp
	fault	\name
	\insn
.Lskip_\name:
	mov	%r11, %rsp
	ret
	.cfi_endproc
	.size	fault_\name, . - fault_\name
	.balign	16, 0xcc
	.endm

	simple	load, FAULT_HOLE, mov (%rdi), %r9
	simple	load_byte, FAULT_HOLE, movzbl (%rdi), %r9d
	simple	load_across, FAULT_BEFORE_HOLE, mov (%rdi), %r9
	simple	load_noncanonical, FAULT_NONCANONICAL, mov (%rdi), %r9
	simple	load_no_file, FAULT_NO_FILE, mov (%rdi), %r9
	simple	load_rip, FAULT_DATA, mov fault_page(%rip), %r9
	simple	load_sse, FAULT_HOLE, movdqu (%rdi), %xmm3
	simple	load_sse_odd, FAULT_ODD, movdqa (%rdi), %xmm3
	simple	load_sse_rip, FAULT_DATA, movdqu fault_page(%rip), %xmm3
	simple	store, FAULT_HOLE, mov %rsi, (%rdi)
	simple	store_across, FAULT_BEFORE_HOLE, mov %rsi, (%rdi)
	simple	store_read_only, FAULT_READ_ONLY, mov %rsi, (%rdi)
	simple	store_no_file, FAULT_NO_FILE, mov %rsi, (%rdi)
	simple	store_noncanonical, FAULT_NONCANONICAL, mov %rsi, (%rdi)
	simple	store_rip, FAULT_DATA, movl $5, fault_page+8(%rip)
	simple	add_memory, FAULT_READ_ONLY, addl $1, (%rdi)
	simple	add_lock, FAULT_READ_ONLY, lock addl $1, (%rdi)
	simple	add_from, FAULT_HOLE, add (%rdi), %rsi
	simple	compare, FAULT_HOLE, cmpb $0, 7(%rdi)
	simple	exchange, FAULT_READ_ONLY, xchg %rsi, (%rdi)
	simple	cmpxchg, FAULT_READ_ONLY, cmpxchg %rsi, (%rdi)
	simple	cmpxchg16b_odd, FAULT_ODD, lock cmpxchg16b (%rdi)
	simple	setcc, FAULT_READ_ONLY, sete (%rdi)
	simple	cmov, FAULT_HOLE, cmovne (%rdi), %rsi
	simple	shift, FAULT_READ_ONLY, shll $3, (%rdi)
	simple	stos, FAULT_BEFORE_HOLE, rep stosb
	simple	movs, FAULT_BEFORE_HOLE, rep movsb
	simple	push_memory, FAULT_HOLE, pushq (%rdi)
	simple	xsave_odd, FAULT_ODD, fxsave (%rdi)

	/* divide errors; the divisor is repaired in rdi */
	simple	div32, FAULT_NUMBER, div %edi
	simple	div64, FAULT_NUMBER, div %rdi
	simple	div8, FAULT_NUMBER, div %dil
	simple	idiv32, FAULT_NUMBER, idiv %edi
	simple	idiv64, FAULT_NUMBER, idiv %rdi
	simple	div_memory, FAULT_HOLE, divl (%rdi)

	/* illegal and privileged */
	simple	ud2, FAULT_NUMBER, ud2
	simple	hlt, FAULT_NUMBER, hlt
	simple	cli, FAULT_NUMBER, cli
	simple	int80h_like, FAULT_NUMBER, int $0x42
	simple	in_port, FAULT_NUMBER, in (%dx), %al
	simple	read_msr, FAULT_NUMBER, rdmsr

	/* control flow */
	simple	call_register, FAULT_NO_EXEC, call *%rdi
	simple	call_noncanonical, FAULT_NONCANONICAL, call *%rdi
	simple	call_memory, FAULT_HOLE, call *(%rdi)
	simple	call_hole, FAULT_HOLE, call *%rdi
	simple	jmp_memory, FAULT_HOLE, jmp *(%rdi)

	case	jmp_register, FAULT_NO_EXEC
	mov	%rdx, %r10
	fault	jmp_register
	jmp	*%rdi
	end	jmp_register

	case	jmp_noncanonical, FAULT_NONCANONICAL
	mov	%rdx, %r10
	fault	jmp_noncanonical
	jmp	*%rdi
	end	jmp_noncanonical

	case	jmp_hole, FAULT_HOLE
	fault	jmp_hole
	jmp	*%rdi
	nop
	nop
	nop
	end	jmp_hole

	case	ret_noncanonical, FAULT_NONCANONICAL
	push	%rdi
	fault	ret_noncanonical
	ret
	nop
.Lskip_ret_noncanonical:
	pop	%rdi
	ret
	.cfi_endproc
	.size	fault_ret_noncanonical, . - fault_ret_noncanonical
	.balign	16, 0xcc

	/* the stack */
	on_stack push_register, FAULT_READ_ONLY, push %rsi
	on_stack push_hole, FAULT_HOLE, push %rsi	/* writes below: no fault, but memory there */
	on_stack push_immediate, FAULT_READ_ONLY, push $5
	on_stack pop_hole, FAULT_HOLE, pop %rsi
	on_stack pop_noncanonical, FAULT_NONCANONICAL, pop %rsi
	on_stack pushf_read_only, FAULT_READ_ONLY, pushfq
	on_stack popf_hole, FAULT_HOLE, popfq
	on_stack call_read_only, FAULT_READ_ONLY, call .Lreturn
	on_stack call_noncanonical_stack, FAULT_NONCANONICAL, call .Lreturn
	on_stack call_indirect_read_only, FAULT_READ_ONLY, call *%rsi
	on_stack ret_hole, FAULT_HOLE, ret
	on_stack enter_read_only, FAULT_READ_ONLY, enter $16, $0
.Lreturn:
	ret

	case	leave_hole, FAULT_HOLE
	mov	%rbp, %r11
	mov	%rdi, %rbp
	fault	leave_hole
	leave
.Lskip_leave_hole:
	mov	%r11, %rbp
	ret
	.cfi_endproc
	.size	fault_leave_hole, . - fault_leave_hole
	.balign	16, 0xcc

	/* floating point: the exceptions are unmasked here and masked again behind */
	case	sse_divide, FAULT_NUMBER
	movl	$0x1d80, -4(%rsp)	/* ZM clear */
	ldmxcsr	-4(%rsp)
	cvtsi2sd %rdx, %xmm1		/* 0 */
	fault	sse_divide
	divsd	%xmm1, %xmm0
.Lskip_sse_divide:
	movl	$0x1f80, -4(%rsp)
	ldmxcsr	-4(%rsp)
	ret
	.cfi_endproc
	.size	fault_sse_divide, . - fault_sse_divide
	.balign	16, 0xcc

	case	x87_divide, FAULT_NUMBER
	movw	$0x037b, -4(%rsp)	/* ZM clear */
	fldcw	-4(%rsp)
	fld1
	fldz
	fdivrp	%st, %st(1)		/* 1 / 0: pending */
	fault	x87_divide
	fwait
	nop
	nop
.Lskip_x87_divide:
	fninit
	ret
	.cfi_endproc
	.size	fault_x87_divide, . - fault_x87_divide
	.balign	16, 0xcc

	.pushsection fault_table, "aw"
	.globl	fault_cases_end
fault_cases_end:
	.popsection

	.globl	fault_call
	.type	fault_call, @function
fault_call:
	fninit
	movl	$0x1f80, -4(%rsp)
	ldmxcsr	-4(%rsp)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movsd	.Lnumbers+8*\n(%rip), %xmm\n
	.endr
	push	%rbx
	mov	%rsp, %rbx
	lea	.Lstack_top(%rip), %rsp	# always the same, so that stack pointers can be compared
	call	call_with_registers
	mov	%rbx, %rsp
	pop	%rbx
	ret
	.size	fault_call, . - fault_call

	.section .rodata
	.balign	16
.Lnumbers:
	.double	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
	.bss
	.balign	4096
	.zero	65536
.Lstack_top:
	.globl	fault_page
	.type	fault_page, @object
fault_page:
	.zero	4096
	.size	fault_page, 4096
	.section .note.GNU-stack, "", @progbits
