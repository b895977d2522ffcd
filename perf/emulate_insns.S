/* SPDX-License-Identifier: MIT */
/*
 * Instructions to emulate, as data: the processor never runs them here. %rdi points at memory,
 * %rsp and %rbp into a stack; %rax is zero.
 */
	.macro	insn text:vararg
	.section .rodata.insns, "a"
1:	\text
2:
	.section .rodata.names, "aMS", @progbits, 1
3:	.asciz	"\text"
	.section .data.rel.ro.table, "aw"
	.quad	3b, 1b, 2b - 1b
	.endm

	.data
	.p2align 3
data:	.quad	data

	.section .data.rel.ro.table, "aw"
	.p2align 3
	.globl	emulate_insns
	.hidden	emulate_insns
emulate_insns:

	insn	push %rbp
	insn	pop %rbx
	insn	mov %rsp, %rbp
	insn	mov %esi, %edx
	insn	mov (%rdi), %rax
	insn	mov %rax, 8(%rdi)
	insn	mov data(%rip), %rax
	insn	movl $1, 16(%rdi)
	insn	movzbl (%rdi), %ecx
	insn	movslq %esi, %rsi
	insn	lea 8(%rdi,%rsi,4), %rax
	insn	lea data(%rip), %rax
	insn	sub $24, %rsp
	insn	add $1, %rax
	insn	and $-16, %rsp
	insn	xor %eax, %eax
	insn	cmp %rsi, %rdi
	insn	cmpl $0, (%rdi)
	insn	test %eax, %eax
	insn	inc %ecx
	insn	cmove %rsi, %rdx
	insn	sete %cl
	insn	xchg %rcx, %rdx
	insn	nop
	insn	endbr64
	insn	leave
	insn	jmp . + 16
	insn	je . + 16
	insn	jmp *%rdi
	insn	call . + 64
	insn	call *(%rdi)
	insn	ret

	.section .data.rel.ro.table, "aw"
	.quad	0, 0, 0

	.section .note.GNU-stack, "", @progbits
