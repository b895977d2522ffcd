/* SPDX-License-Identifier: MIT */
/*
 * Called by detours whose only handler uses nothing but the scratch registers of what it is given: those
 * that any called function may change. It does what fallback-xol/detour.S and hit_from_detour() would
 * do, for an idle thread of which all is known, with half of the instructions. In any other case it puts back
 * what it has changed, and goes on in what would have been called otherwise.
 *
 * The stack is that of detour.S; in struct ep_regs rbx and r12 to r15 are not filled, and what is
 * written to rsp, rip and rflags has no effect. A handler finds DF clear as the ABI wants it: where it is set,
 * which is rare, the other code clears it.
 */
#include "fallback-xol/detour.h"
#include "fallback-xol/status.inc"
#include "probe/site/mark.inc"
#include "probe/site/offsets.h"
#include "probe/site/state.h"
#include "x86/regs.h"

#define RETURN	 EP_REGS_SIZE
#define RED_ZONE 128
#define P_FROM_B (RETURN + 8 + RED_ZONE) /* registers, return address, red zone */

	.macro	keep reg:req, at:req
	movq	%\reg, \at(%rsp)
	.cfi_offset \reg, -P_FROM_B + \at
	.endm

	.macro	give_back reg:req, at:req
	movq	\at(%rsp), %\reg
	.cfi_restore \reg
	.endm

	# rsp is B.
	.macro	give_back_all
	.cfi_def_cfa rsp, P_FROM_B
	give_back r8, EP_REGS_R8
	give_back r9, EP_REGS_R9
	give_back r10, EP_REGS_R10
	give_back r11, EP_REGS_R11
	give_back rdi, EP_REGS_RDI
	give_back rsi, EP_REGS_RSI
	give_back rbp, EP_REGS_RBP
	give_back rdx, EP_REGS_RDX
	give_back rax, EP_REGS_RAX
	give_back rcx, EP_REGS_RCX
	.endm

	.section ep_trap_path, "ax", @progbits
	.globl	hit_scratch
	.hidden	hit_scratch
	.type	hit_scratch, @function
	.p2align 6
hit_scratch:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa rsp, RED_ZONE + 8
	# DW_CFA_expression RA, { CFA - 136; deref; to the data }
	.cfi_escape 0x10, 0x10, 7, 0x08, 0x88, 0x1c, 0x06, 0x08, -DETOUR_ADDRESS, 0x1c
	pushfq
	.cfi_adjust_cfa_offset 8
	leaq	-EP_REGS_RFLAGS(%rsp), %rsp
	.cfi_adjust_cfa_offset EP_REGS_RFLAGS
	keep	r8, EP_REGS_R8
	keep	r9, EP_REGS_R9
	keep	r10, EP_REGS_R10
	keep	r11, EP_REGS_R11
	keep	rdi, EP_REGS_RDI
	keep	rsi, EP_REGS_RSI
	keep	rbp, EP_REGS_RBP
	keep	rdx, EP_REGS_RDX
	keep	rax, EP_REGS_RAX
	keep	rcx, EP_REGS_RCX
	movq	%rsp, %rbp			# B, kept by the handler
	.cfi_def_cfa_register rbp
	testb	$4, EP_REGS_RFLAGS+1(%rbp)	# DF
	jnz	.Lslowly
	find_mark probe_thread_mark
	jne	.Lslowly
	movq	probe_thread_known@gottpoff(%rip), %rax
	movq	%fs:(%rax), %rdx
	testq	%rdx, %rdx
	jz	.Lslowly
	cmpl	$0, THREAD_TID(%rdx)
	je	.Lslowly
	cmpl	$0, THREAD_ENGINE_DEPTH(%rdx)
	jne	.Lslowly
	cmpq	$0, THREAD_RUNNING(%rdx)
	jne	.Lslowly			# in a handler
	movq	RETURN(%rbp), %rcx
	movslq	DETOUR_WHERE(%rcx), %rax
	movslq	DETOUR_WHERE+4(%rcx), %r9
	addq	%fs:(%rax), %r9
	cmpq	$0, %fs:(%rax)
	je	.Lslowly			# the thread has no counters yet, or does not count now
	movq	DETOUR_SITE(%rcx), %rax
	movq	DETOUR_ADDRESS(%rcx), %r8
	leaq	P_FROM_B(%rbp), %rdi
	movq	%r8, EP_REGS_RIP(%rbp)
	movq	%rdi, EP_REGS_RSP(%rbp)
	movq	%rdi, THREAD_RUNNING_RSP(%rdx)
	movq	%rax, THREAD_RUNNING(%rdx)	# from here on its probe cannot be freed
	movq	SITE_ONLY(%rax), %rax
	testq	%rax, %rax
	jz	.Lno_more
	cmpb	$0, PROBE_SCRATCH_ONLY(%rax)
	je	.Lno_more
	testb	$PROBE_ENABLED, PROBE_STATE(%rax)
	jz	.Lno_more
	incq	(%r9)
	movq	running_errno_offset(%rip), %rcx
	movl	%fs:(%rcx), %ecx
	andq	$-16, %rsp
	pushq	%rdx
	pushq	%rcx
	movq	PROBE_HANDLE(%rax), %rdi
	movq	%rbp, %rsi
	movq	PROBE_COOKIE(%rax), %rdx
	call	*PROBE_HANDLER(%rax)
	popq	%rcx
	popq	%rdx
	movq	running_errno_offset(%rip), %rax
	addl	$1, THREAD_CALLS(%rdx)
	movq	$0, THREAD_RUNNING(%rdx)
	cmpl	%ecx, %fs:(%rax)
	jne	.Lerrno
.Lback:
	movl	EP_REGS_RFLAGS(%rbp), %ecx
	movq	%rbp, %rsp
	status_from_ecx
	.cfi_remember_state
	give_back_all
	leaq	RETURN(%rsp), %rsp
	.cfi_def_cfa_offset RED_ZONE + 8
	ret

	.cfi_restore_state
.Lerrno:
	movl	%ecx, %fs:(%rax)
	jmp	.Lback

.Lno_more:
	movq	$0, THREAD_RUNNING(%rdx)
.Lslowly:
	give_back_all
	leaq	EP_REGS_RFLAGS(%rsp), %rsp
	.cfi_def_cfa_offset RED_ZONE + 16
	popfq
	.cfi_def_cfa_offset RED_ZONE + 8
	jmp	xol_detour_general
	.cfi_endproc
	.size	hit_scratch, .-hit_scratch

	.section .note.GNU-stack, "", @progbits
