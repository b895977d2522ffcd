/* SPDX-License-Identifier: MIT */
/*
 * Called by detours whose only handler uses nothing but the scratch registers of what it is given: those
 * that any called function may change. It does what fallback-xol/detour.S and hit_from_detour() would
 * do, for an idle thread of which all is known, with half of the instructions. In any other case it puts back
 * what it has changed, and goes on in what would have been called otherwise.
 */
#include "probe/site/scratch.inc"

	.section ep_trap_path, "ax", @progbits

	function hit_scratch
	cfi_of_detour
	keep_all .Lslowly
	find_mark probe_thread_mark
	jne	.Lslowly
	movq	probe_thread_known@gottpoff(%rip), %rax
	movq	%fs:(%rax), %rdx
	testq	%rdx, %rdx
	jz	.Lslowly
	need_idle rdx, .Lslowly
	movq	RETURN(%rbp), %rcx
	find_counter r9, rax, DETOUR_WHERE, rcx, .Lslowly
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
	.cfi_remember_state
	leave_all

	.cfi_restore_state
.Lerrno:
	movl	%ecx, %fs:(%rax)
	jmp	.Lback

.Lno_more:
	movq	$0, THREAD_RUNNING(%rdx)
.Lslowly:
	undo_all
	jmp	xol_detour_general
	end	hit_scratch

	.section .note.GNU-stack, "", @progbits
