/* SPDX-License-Identifier: MIT */
/*
 * Called by every detour. P is the program's stack pointer, B the struct ep_regs:
 *
 *	P - 128		the program's red zone
 *	P - 136		return address into the detour; its data lies in front of it
 *	P - 144	  rflags \
 *	...		  > struct ep_regs
 *	B = P - 280   r8 /
 *	B - 8		RFLAGS at the time of the hit
 *	...		vector registers, aligned to 64
 *
 * To an unwinder this is a signal frame: its caller is the program at the probed address with the
 * registers as they were, and the detour itself is no frame at all. So backtraces and exceptions
 * from handlers pass through.
 */
#include "fallback-xol/detour.h"
#include "x86/regs.h"

#define P_FROM_B    280 /* EP_REGS_SIZE + return address + red zone */
#define RETURN	    EP_REGS_SIZE
#define RED_ZONE    128
#define NOT_STATUS  0x247500 /* ID, AC, NT, IOPL, DF, TF: what sahf and add cannot restore */
#define MXCSR	    (32 * 64 + 64) /* behind 32 zmm and 8 masks */
#define IN_USE	    (MXCSR + 8)
#define VECTOR_SIZE (MXCSR + 64)

#define UPPER_HALVES 0x44 /* of ymm0-15, of zmm0-15 */
#define MASKS_OR_HIGH 0xa0 /* k0-7, zmm16-31 */

	.macro	save reg:req
	pushq	%\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endm

	# Offsets are spelled out: clang's assembler loses count after .cfi_restore_state.
	.macro	restore reg:req, cfa:req
	popq	%\reg
	.cfi_def_cfa_offset \cfa
	.cfi_restore \reg
	.endm

	# The return address column: what the data in front of our own return address says.
	.macro	cfi_program
	.cfi_signal_frame
	.cfi_def_cfa rsp, RED_ZONE + 8
	# DW_CFA_expression RA, { CFA - 136; deref; - 46 }
	.cfi_escape 0x10, 0x10, 0x07, 0x08, 0x88, 0x1c, 0x06, 0x08, -DETOUR_ADDRESS, 0x1c
	.endm

	.macro	save_registers
	pushfq
	.cfi_adjust_cfa_offset 8
	leaq	-16(%rsp), %rsp			# rip and rsp are filled in below
	.cfi_adjust_cfa_offset 16
	.irp	reg, rcx, rax, rdx, rbx, rbp, rsi, rdi, r15, r14, r13, r12, r11, r10, r9, r8
	save	\reg
	.endr
	movq	%rsp, %rbp			# B, kept by the handler
	.cfi_def_cfa_register rbp
	.endm

	.macro	restore_registers
	.cfi_def_cfa rsp, P_FROM_B
	restore	r8, 272
	restore	r9, 264
	restore	r10, 256
	restore	r11, 248
	restore	r12, 240
	restore	r13, 232
	restore	r14, 224
	restore	r15, 216
	restore	rdi, 208
	restore	rsi, 200
	restore	rbp, 192
	restore	rbx, 184
	restore	rdx, 176
	restore	rax, 168
	restore	rcx, 160
	.endm

	.macro	call_handler
	movq	RETURN(%rbp), %rax
	leaq	P_FROM_B(%rbp), %rcx
	movq	DETOUR_ADDRESS(%rax), %rdx
	movq	EP_REGS_RFLAGS(%rbp), %rbx
	movq	%rcx, EP_REGS_RSP(%rbp)
	movq	%rdx, EP_REGS_RIP(%rbp)
	movq	%rbx, -8(%rbp)
	movq	%rbp, %rdi
	movq	DETOUR_SITE(%rax), %rsi
	cld					# the ABI wants it; the program may have it set
	call	*DETOUR_HIT(%rax)
	.endm

	# Vector registers, in memory at rsp.
	.macro	store_lower insn:req, kind:req, size:req
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	\insn	%\kind\n, \size*\n(%rsp)
	.endr
	.endm

	.macro	load_lower insn:req, kind:req, size:req
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	\insn	\size*\n(%rsp), %\kind\n
	.endr
	.endm

	.macro	store_upper_and_masks
	.irp	n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovdqu64 %zmm\n, 64*\n(%rsp)
	.endr
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	kmovq	%k\n, 64*32+8*\n(%rsp)
	.endr
	.endm

	.macro	load_upper_and_masks
	.irp	n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovdqu64 64*\n(%rsp), %zmm\n
	.endr
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	kmovq	64*32+8*\n(%rsp), %k\n
	.endr
	.endm

	# What is not in its initial state (Intel SDM, "XGETBV"), in al and kept in the frame. Loading
	# zeros into the upper halves would put them into use, and cost all SSE code from then on.
	.macro	get_in_use
	movl	$1, %ecx
	xgetbv
	movb	%al, IN_USE(%rsp)
	.endm

	.macro	make_room size:req
	leaq	-8-\size(%rbp), %rsp
	andq	$-64, %rsp
	.endm

	.section ep_trap_path, "ax", @progbits

	.macro	function name:req
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	cfi_program
	.endm

	.macro	end name:req
	.cfi_endproc
	.size	\name, .-\name
	.endm

	function xol_detour_general
	save_registers
	make_room 0
	call_handler
	jmp	leave
	end	xol_detour_general

	function xol_detour_sse
	save_registers
	make_room VECTOR_SIZE
	stmxcsr	MXCSR(%rsp)			# its exception flags, above all
	store_lower movups, xmm, 16
	call_handler
	ldmxcsr	MXCSR(%rsp)
	load_lower movups, xmm, 16
	jmp	leave
	end	xol_detour_sse

	# Processors that cannot tell what is in use.
	function xol_detour_avx_whole
	save_registers
	make_room VECTOR_SIZE
	stmxcsr	MXCSR(%rsp)			# its exception flags, above all
	store_lower vmovdqu, ymm, 32
	vzeroupper				# else SSE code in the handler is slow
	call_handler
	ldmxcsr	MXCSR(%rsp)
	load_lower vmovdqu, ymm, 32
	jmp	leave
	end	xol_detour_avx_whole

	function xol_detour_avx
	save_registers
	make_room VECTOR_SIZE
	stmxcsr	MXCSR(%rsp)			# its exception flags, above all
	get_in_use
	testb	$UPPER_HALVES, %al
	jnz	1f
	store_lower vmovups, xmm, 16
	call_handler
	vzeroupper				# the handler may have put them into use
	ldmxcsr	MXCSR(%rsp)
	load_lower movups, xmm, 16
	jmp	leave
1:	store_lower vmovdqu, ymm, 32
	vzeroupper				# else SSE code in the handler is slow
	call_handler
	ldmxcsr	MXCSR(%rsp)
	load_lower vmovdqu, ymm, 32
	jmp	leave
	end	xol_detour_avx

	function xol_detour_avx512
	save_registers
	make_room VECTOR_SIZE
	stmxcsr	MXCSR(%rsp)			# its exception flags, above all
	get_in_use
	testb	$UPPER_HALVES, %al
	jnz	2f
	store_lower vmovups, xmm, 16
	testb	$MASKS_OR_HIGH, %al
	jz	1f
	store_upper_and_masks
1:	call_handler
	vzeroupper				# the handler may have put them into use
	ldmxcsr	MXCSR(%rsp)
	load_lower movups, xmm, 16
	testb	$MASKS_OR_HIGH, IN_USE(%rsp)
	jz	leave
	load_upper_and_masks
	jmp	leave
2:	store_lower vmovdqu64, zmm, 64
	store_upper_and_masks
	vzeroupper
	call_handler
	ldmxcsr	MXCSR(%rsp)
	load_lower vmovdqu64, zmm, 64
	load_upper_and_masks
	jmp	leave
	end	xol_detour_avx512

/* Back to the detour, or to where the handler wants to go. rbp is B. */
	.type	leave, @function
	.p2align 4
leave:
	.cfi_startproc
	cfi_program
	.cfi_def_cfa rbp, P_FROM_B
	.cfi_offset r8, -P_FROM_B + EP_REGS_R8
	.cfi_offset r9, -P_FROM_B + EP_REGS_R9
	.cfi_offset r10, -P_FROM_B + EP_REGS_R10
	.cfi_offset r11, -P_FROM_B + EP_REGS_R11
	.cfi_offset r12, -P_FROM_B + EP_REGS_R12
	.cfi_offset r13, -P_FROM_B + EP_REGS_R13
	.cfi_offset r14, -P_FROM_B + EP_REGS_R14
	.cfi_offset r15, -P_FROM_B + EP_REGS_R15
	.cfi_offset rdi, -P_FROM_B + EP_REGS_RDI
	.cfi_offset rsi, -P_FROM_B + EP_REGS_RSI
	.cfi_offset rbp, -P_FROM_B + EP_REGS_RBP
	.cfi_offset rbx, -P_FROM_B + EP_REGS_RBX
	.cfi_offset rdx, -P_FROM_B + EP_REGS_RDX
	.cfi_offset rax, -P_FROM_B + EP_REGS_RAX
	.cfi_offset rcx, -P_FROM_B + EP_REGS_RCX
	.cfi_remember_state
	movq	RETURN(%rbp), %rax
	leaq	P_FROM_B(%rbp), %rcx
	movq	DETOUR_ADDRESS(%rax), %rdx
	cmpq	%rcx, EP_REGS_RSP(%rbp)
	jne	move
	cmpq	%rdx, EP_REGS_RIP(%rbp)
	jne	move
	movl	EP_REGS_RFLAGS(%rbp), %ecx
	movl	-8(%rbp), %edx
	movq	%rbp, %rsp
	orl	%ecx, %edx
	testl	$NOT_STATUS, %edx
	jnz	2f
	movl	%ecx, %eax			# popfq takes three times as long as all the rest
	shrl	$11, %eax
	andl	$1, %eax
	movb	%cl, %ah
	addb	$0x7f, %al			# OF
	sahf					# SF, ZF, AF, PF, CF
	restore_registers
	leaq	24(%rsp), %rsp
	.cfi_def_cfa_offset 136
	ret

	.cfi_restore_state
2:	.cfi_remember_state
	restore_registers
	leaq	16(%rsp), %rsp
	.cfi_def_cfa_offset 144
	popfq
	.cfi_def_cfa_offset 136
	ret

	# Move the frame to the stack pointer that is wanted, by way of a place below both.
	.cfi_restore_state
move:
	movq	EP_REGS_RIP(%rbp), %r8
	cmpq	%rdx, %r8
	leaq	DETOUR_DISPLACED(%rax), %rax	# only RSP was changed
	cmoveq	%rax, %r8
	movq	EP_REGS_RSP(%rbp), %rdx
	leaq	-P_FROM_B(%rdx), %rdx		# new B
	movq	%rbp, %rsp
	cmpq	%rdx, %rsp
	cmovaq	%rdx, %rsp
	leaq	-EP_REGS_SIZE-16(%rsp), %rsp
	movq	%rbp, %rsi
	movq	%rsp, %rdi
	movl	$EP_REGS_SIZE / 8, %ecx
	rep movsq
	movq	%rsp, %rsi
	movq	%rdx, %rdi
	movl	$EP_REGS_SIZE / 8, %ecx
	rep movsq
	movq	%rdx, %rbp
	movq	%r8, RETURN(%rbp)
	.cfi_offset 16, -RED_ZONE - 8
	movq	%rbp, %rsp
	restore_registers
	leaq	16(%rsp), %rsp
	.cfi_def_cfa_offset 144
	popfq
	.cfi_def_cfa_offset 136
	ret	$RED_ZONE
	.cfi_endproc
	.size	leave, .-leave

	.section .note.GNU-stack, "", @progbits
