/* SPDX-License-Identifier: MIT */
/*
 * Called by every detour. P is the program's stack pointer, B the struct ep_regs:
 *
 *	P - 128		the program's red zone
 *	P - 136		return address into the detour; its data lies in front of it
 *	P - 144	  rflags \
 *	...		  > struct ep_regs
 *	B = P - 280   r8 /
 *	...		vector registers, aligned to 64
 *
 * To an unwinder this is a signal frame: its caller is the program at the probed address with the
 * registers as they were, and the detour itself is no frame at all. So backtraces and exceptions
 * from handlers pass through.
 */
#include "fallback-xol/detour.h"
#include "fallback-xol/status.inc"
#include "x86/regs.h"

/* stub.S is this file with other names, whose data lies elsewhere. */
#ifndef SHARED
#define SHARED(kind)  xol_detour_##kind
#define ADDRESS	      DETOUR_ADDRESS
#define SITE	      DETOUR_SITE
#define WHERE	      DETOUR_WHERE
#define HIT	      DETOUR_HIT
#define BEHIND	      DETOUR_DISPLACED
/* DW_OP_const1u -DETOUR_ADDRESS, minus */
#define CFI_TO_ADDRESS 0x08, -DETOUR_ADDRESS, 0x1c
#define CFI_SIZE       7
#endif

#define RETURN	    EP_REGS_SIZE
#define RED_ZONE    128
#define P_FROM_B    (RETURN + 8 + RED_ZONE) /* registers, return address, red zone */
#define DIRECTION   0x400
#define NOT_STATUS  0x247500 /* ID, AC, NT, IOPL, DF, TF: what sahf and add cannot restore */
#define ZMM	    64
#define MASKS	    (32 * ZMM)
#define MXCSR	    (MASKS + 64)
#define VECTOR_SIZE (MXCSR + 64)

	# rsp becomes B.
	.macro	save_registers
	pushfq
	.cfi_adjust_cfa_offset 8
	leaq	-EP_REGS_RFLAGS(%rsp), %rsp
	.cfi_adjust_cfa_offset EP_REGS_RFLAGS
	movq	%r8, EP_REGS_R8(%rsp)
	movq	%r9, EP_REGS_R9(%rsp)
	movq	%r10, EP_REGS_R10(%rsp)
	movq	%r11, EP_REGS_R11(%rsp)
	movq	%r12, EP_REGS_R12(%rsp)
	movq	%r13, EP_REGS_R13(%rsp)
	movq	%r14, EP_REGS_R14(%rsp)
	movq	%r15, EP_REGS_R15(%rsp)
	movq	%rdi, EP_REGS_RDI(%rsp)
	movq	%rsi, EP_REGS_RSI(%rsp)
	movq	%rbp, EP_REGS_RBP(%rsp)
	movq	%rbx, EP_REGS_RBX(%rsp)
	movq	%rdx, EP_REGS_RDX(%rsp)
	movq	%rax, EP_REGS_RAX(%rsp)
	movq	%rcx, EP_REGS_RCX(%rsp)
	cfi_saved
	movq	%rsp, %rbp			# B, kept by the handler
	.cfi_def_cfa_register rbp
	.endm

	# rsp is B.
	.macro	restore_registers
	.cfi_def_cfa rsp, P_FROM_B
	movq	EP_REGS_R8(%rsp), %r8
	movq	EP_REGS_R9(%rsp), %r9
	movq	EP_REGS_R10(%rsp), %r10
	movq	EP_REGS_R11(%rsp), %r11
	movq	EP_REGS_R12(%rsp), %r12
	movq	EP_REGS_R13(%rsp), %r13
	movq	EP_REGS_R14(%rsp), %r14
	movq	EP_REGS_R15(%rsp), %r15
	movq	EP_REGS_RDI(%rsp), %rdi
	movq	EP_REGS_RSI(%rsp), %rsi
	movq	EP_REGS_RBP(%rsp), %rbp
	movq	EP_REGS_RBX(%rsp), %rbx
	movq	EP_REGS_RDX(%rsp), %rdx
	movq	EP_REGS_RAX(%rsp), %rax
	movq	EP_REGS_RCX(%rsp), %rcx
	.endm

	.macro	cfi_saved
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
	.endm

	.macro	cfi_restored
	.irp	reg, r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx
	.cfi_restore \reg
	.endr
	.endm

	# The return address column: what the data in front of our own return address says.
	.macro	cfi_program
	.cfi_signal_frame
	.cfi_def_cfa rsp, RED_ZONE + 8
	# DW_CFA_expression RA, { CFA - 136; deref; to the data }
	.cfi_escape 0x10, 0x10, CFI_SIZE, 0x08, 0x88, 0x1c, 0x06, CFI_TO_ADDRESS
	.endm

	# RFLAGS stay in rbx, which the handler keeps.
	.macro	call_handler
	movq	RETURN(%rbp), %rax
	leaq	P_FROM_B(%rbp), %rcx
	movq	EP_REGS_RFLAGS(%rbp), %rbx
	movq	ADDRESS(%rax), %r8
	movq	SITE(%rax), %rsi
	movq	WHERE(%rax), %rdx
	movq	%rbp, %rdi
	movq	%rcx, EP_REGS_RSP(%rbp)
	movq	%r8, EP_REGS_RIP(%rbp)
	testl	$DIRECTION, %ebx
	jz	.Lcall\@
	cld					# the ABI wants it so
.Lcall\@:
	movq	%rsp, %rcx			# vector registers, if they are kept
	call	*HIT(%rax)
	.endm

	# Vector registers, in memory at rsp.
	.macro	store insn:req, kind:req, numbers:vararg
	.irp	n, \numbers
	\insn	%\kind\n, ZMM*\n(%rsp)
	.endr
	.endm

	.macro	load insn:req, kind:req, numbers:vararg
	.irp	n, \numbers
	\insn	ZMM*\n(%rsp), %\kind\n
	.endr
	.endm

#define LOWER 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
#define UPPER 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31

	.macro	make_room
	subq	$VECTOR_SIZE, %rsp
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

	function SHARED(general)
	save_registers
	andq	$-16, %rsp
	call_handler
	jmp	leave
	end	SHARED(general)

	function SHARED(sse)
	save_registers
	make_room
	stmxcsr	MXCSR(%rsp)			# its exception flags, above all
	store	movups, xmm, LOWER
	call_handler
	ldmxcsr	MXCSR(%rsp)
	load	movups, xmm, LOWER
	jmp	leave
	end	SHARED(sse)

	/*
	 * Loading zeros into the upper halves would put them into use, and cost all SSE code from
	 * then on. XGETBV can tell whether they are, but is slower than a look at the values.
	 */
	function SHARED(avx)
	save_registers
	make_room
	stmxcsr	MXCSR(%rsp)
	store	vmovups, ymm, LOWER
	vorps	%ymm1, %ymm0, %ymm0
	vorps	%ymm3, %ymm2, %ymm2
	vorps	%ymm5, %ymm4, %ymm4
	vorps	%ymm7, %ymm6, %ymm6
	vorps	%ymm9, %ymm0, %ymm0
	vorps	%ymm11, %ymm2, %ymm2
	vorps	%ymm13, %ymm4, %ymm4
	vorps	%ymm15, %ymm6, %ymm6
	vorps	%ymm8, %ymm0, %ymm0
	vorps	%ymm10, %ymm2, %ymm2
	vorps	%ymm12, %ymm4, %ymm4
	vorps	%ymm14, %ymm6, %ymm6
	vorps	%ymm2, %ymm0, %ymm0
	vorps	%ymm6, %ymm4, %ymm4
	vorps	%ymm4, %ymm0, %ymm0
	vextractf128 $1, %ymm0, %xmm0
	vptest	%xmm0, %xmm0
	setnz	%r12b				# kept by the handler
	vzeroupper				# else SSE code in the handler is slow
	load	movups, xmm, 0, 2, 4, 6		# as they were: the handler may want to know
	call_handler
	ldmxcsr	MXCSR(%rsp)
	testb	%r12b, %r12b
	jnz	1f
	vzeroupper				# the handler may have put them into use
	load	movups, xmm, LOWER
	jmp	leave
1:	load	vmovups, ymm, LOWER
	jmp	leave
	end	SHARED(avx)

	.macro	keep_wide kmov:req
	save_registers
	make_room
	stmxcsr	MXCSR(%rsp)
	store	vmovups, zmm, LOWER
	store	vmovups, zmm, UPPER
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	\kmov	%k\n, MASKS+8*\n(%rsp)
	.endr
	vporq	%zmm1, %zmm0, %zmm16
	vporq	%zmm9, %zmm8, %zmm17
	vpternlogq $0xfe, %zmm3, %zmm2, %zmm16	# or
	vpternlogq $0xfe, %zmm11, %zmm10, %zmm17
	vpternlogq $0xfe, %zmm5, %zmm4, %zmm16
	vpternlogq $0xfe, %zmm13, %zmm12, %zmm17
	vpternlogq $0xfe, %zmm7, %zmm6, %zmm16
	vpternlogq $0xfe, %zmm15, %zmm14, %zmm17
	vporq	%zmm17, %zmm16, %zmm16
	vptestmq %zmm16, %zmm16, %k1
	kmovw	%k1, %r12d			# a bit for each of eight quadwords
	vzeroupper
	call_handler
	ldmxcsr	MXCSR(%rsp)
	testb	$0xfc, %r12b			# all but the two of xmm
	jnz	.Lwide\@
	vzeroupper
	load	movups, xmm, LOWER
.Lupper\@:
	load	vmovups, zmm, UPPER
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	\kmov	MASKS+8*\n(%rsp), %k\n
	.endr
	jmp	leave
.Lwide\@:
	load	vmovups, zmm, LOWER
	jmp	.Lupper\@
	.endm

	function SHARED(avx512)
	keep_wide kmovq
	end	SHARED(avx512)

	# Without byte and word masks a mask register has 16 bits, and there is no kmovq.
	function SHARED(avx512f)
	keep_wide kmovw
	end	SHARED(avx512f)

/* Back to the detour, or to where the handler wants to go. rbp is B. */
	.type	leave, @function
	.p2align 4
leave:
	.cfi_startproc
	cfi_program
	.cfi_def_cfa rbp, P_FROM_B
	cfi_saved
	movq	RETURN(%rbp), %rax
	leaq	P_FROM_B(%rbp), %rcx
	movq	ADDRESS(%rax), %rdx
	cmpq	%rcx, EP_REGS_RSP(%rbp)
	jne	move
	cmpq	%rdx, EP_REGS_RIP(%rbp)
	jne	move
	movl	EP_REGS_RFLAGS(%rbp), %ecx
	movq	%rbp, %rsp
	orl	%ecx, %ebx
	testl	$NOT_STATUS, %ebx
	jnz	2f
	status_from_ecx
	.cfi_remember_state
	restore_registers
	leaq	RETURN(%rsp), %rsp
	.cfi_def_cfa_offset 136
	cfi_restored
	ret

	.cfi_restore_state
2:	.cfi_remember_state
	restore_registers
	leaq	EP_REGS_RFLAGS(%rsp), %rsp
	.cfi_def_cfa_offset 144
	cfi_restored
	popfq
	.cfi_def_cfa_offset 136
	ret

	# Move the frame to the stack pointer that is wanted, by way of a place below both.
	.cfi_restore_state
move:
	movq	EP_REGS_RIP(%rbp), %r8
	cmpq	%rdx, %r8
	leaq	BEHIND(%rax), %rax	# only RSP was changed
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
	leaq	EP_REGS_RFLAGS(%rsp), %rsp
	.cfi_def_cfa_offset 144
	cfi_restored
	popfq
	.cfi_def_cfa_offset 136
	ret	$RED_ZONE
	.cfi_endproc
	.size	leave, .-leave

	.section .note.GNU-stack, "", @progbits
