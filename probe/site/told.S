/* SPDX-License-Identifier: MIT */
/*
 * Calls of a function whose only probe has handlers that use nothing but the scratch registers of what they
 * are given: called by its detour, and by the stubs that it returns to. They do what calls.c would do in the
 * commonest case: an idle thread, of which all is known, and no call that was left by a jump. In
 * any other they put back what they have changed, and go on in what would have been called otherwise.
 *
 * As in counted.S a record that is being made, or taken away, is busy, and signal handlers leave it and all
 * below as they are. A record that was made in C is not ended here: it says in which hit that was.
 */
#include "probe/site/scratch.inc"

#define TOLD (RECORD_RUNNING + (1 << 8 * (RECORD_TOLD - RECORD_STATE)))


	# Call what rax points to for the probe r10 and @call; rdx and @kept are as before, errno is the program's.
	.macro	tell call:req, kept:req
	movq	running_errno_offset(%rip), %rcx
	movl	%fs:(%rcx), %ecx
	andq	$-16, %rsp
	pushq	%rcx
	pushq	%\kept
	pushq	%rdx
	movq	PROBE_HANDLE(%r10), %rdi
	movq	%rbp, %rsi
	leaq	\call(%r11), %rdx
	movq	PROBE_COOKIE(%r10), %rcx
	pushq	%rdi				# to be aligned
	call	*%rax
	popq	%rdx
	popq	%rdx
	popq	%\kept
	popq	%rcx
	movq	running_errno_offset(%rip), %rax
	cmpl	%ecx, %fs:(%rax)
	je	1f
	movl	%ecx, %fs:(%rax)
1:
	.endm

	# rdx: the thread, rdi: its records. Both are its own where our mark is.
	.macro	find_thread slowly:req
	find_mark probe_thread_here
	jne	\slowly
	movq	%fs:HERE_THREAD(%rax), %rdx
	movq	%fs:HERE_RECORDS(%rax), %rdi
	need_idle rdx, \slowly
	.endm

	# r10: the probe of the site rsi, which cannot be freed from here on.
	.macro	begin_running no_more:req
	leaq	P_FROM_B(%rbp), %rcx
	movq	%rcx, EP_REGS_RSP(%rbp)
	movq	%rcx, THREAD_RUNNING_RSP(%rdx)
	movq	%rsi, THREAD_RUNNING(%rdx)
	movq	SITE_ONLY_CALLS(%rsi), %r10
	testq	%r10, %r10
	jz	\no_more
	cmpb	$0, PROBE_SCRATCH_ONLY(%r10)
	je	\no_more
	testb	$PROBE_ENABLED, PROBE_STATE(%r10)
	jz	\no_more
	.endm

	.macro	end_running
	addl	$1, THREAD_CALLS(%rdx)
	movq	$0, THREAD_RUNNING(%rdx)
	.endm

	.section ep_trap_path, "ax", @progbits

	function calls_told_enter
	cfi_of_detour
	keep_all .Lenter_slowly
	find_thread .Lenter_slowly
	movq	RETURN(%rbp), %rcx
	find_counter r9, rax, DETOUR_WHERE, rcx, .Lenter_slowly
	movq	DETOUR_SITE(%rcx), %rsi
	movq	P_FROM_B(%rbp), %rax		# where the caller goes on
	movq	SITE_LAST_STUB(%rsi), %r8
	testq	%r8, %r8
	jz	.Lenter_slowly
	cmpq	%rax, STUB_ADDRESS(%r8)
	jne	.Lother_caller
.Lstub_is_known:
	movq	SITE_BODY(%rsi), %rcx
	cmpq	%rcx, STUB_BODY(%r8)
	jne	.Lenter_slowly			# made by a trap, or for a detour before this one
	movl	RECORDS_TOP(%rdi), %ecx
	cmpl	RECORDS_LIMIT(%rdi), %ecx
	jae	.Lenter_slowly
	cmpl	$0, RECORDS_SUSPECTS(%rdi)
	jne	.Lenter_slowly
	address_records r11, rdi, rcx
	leaq	P_FROM_B(%rbp), %rcx
	cmpq	%rcx, BELOW(STACK)(%r11)
	jbe	.Lenter_slowly			# that call may have been left by a jump
	begin_running .Lenter_no_more
	addl	$1, RECORDS_TOP(%rdi)		# from here on the record is ours, and busy
	incq	(%r9)
	movq	%rcx, TOP(STACK)(%r11)
	movq	%rax, TOP(RETURN_ADDRESS)(%r11)
	movq	%rsi, TOP(SITE)(%r11)
	movq	SITE_ADDRESS(%rsi), %rax
	movq	%rax, EP_REGS_RIP(%rbp)
	movq	PROBE_SERIAL(%r10), %rax
	movq	%rax, TOP(SERIAL)(%r11)
	leaq	STUB_RETURNED-XOL_STUBS*XOL_STUB_SIZE(%r8), %rax
	movq	%rax, TOP(EXPECTED)(%r11)
	subq	$STUB_RETURNED, %rax
	movq	%rax, P_FROM_B+XOL_WAY_ON(%rbp)	# nothing of the program's is there
	movq	$0, TOP(XMM0)(%r11)
	movq	PROBE_ENTERED(%r10), %rax
	testq	%rax, %rax
	jz	.Lentered
	tell TOP(CALL), r11
.Lentered:
	movq	$TOLD, TOP(STATE)(%r11)		# of a hit of its own
	end_running
	.cfi_remember_state
	leave_all

	.cfi_restore_state
.Lother_caller:
	find_stub r8, cx, r10, .Lenter_slowly
	jmp	.Lstub_is_known

.Lenter_no_more:
	movq	$0, THREAD_RUNNING(%rdx)
.Lenter_slowly:
	undo_all
	jmp	xol_detour_general
	end	calls_told_enter

	function calls_told_leave
	cfi_of_stub
	keep_all .Lleave_slowly
	find_thread .Lleave_slowly
	movq	RETURN(%rbp), %rcx
	movl	RECORDS_TOP(%rdi), %eax
	movq	STUB_DATA+STUB_SITE(%rcx), %rsi
	address_records r11, rdi, rax
	cmpq	$TOLD, BELOW(STATE)(%r11)
	jne	.Lleave_slowly			# another kind, or none
	cmpl	$0, RECORDS_HOLES(%rdi)
	jne	.Lleave_slowly
	movq	STUB_DATA+STUB_ADDRESS(%rcx), %r8
	subq	$STUB_HANDLED - STUB_RETURNED, %rcx
	cmpq	%rcx, BELOW(EXPECTED)(%r11)
	jne	.Lleave_slowly
	leaq	P_FROM_B-8(%rbp), %rcx
	cmpq	%rcx, BELOW(STACK)(%r11)
	jne	.Lleave_slowly
	cmpq	$0, SITE_RETURNS_AT(%rsi)
	je	.Lleave_slowly			# returns have no counter of their own
	find_counter r9, rax, SITE_RETURNS_AT, rsi, .Lleave_slowly
	begin_running .Lleave_no_more
	movq	PROBE_SERIAL(%r10), %rax
	cmpq	%rax, BELOW(SERIAL)(%r11)
	jne	.Lleave_no_more			# its probe has gone
	movb	$0, BELOW(STATE)(%r11)		# RECORD_BUSY
	incq	(%r9)
	movl	$RECORD_END_RETURN, BELOW(END)(%r11)
	movq	%r8, EP_REGS_RIP(%rbp)
	movq	PROBE_ENDED(%r10), %rax
	testq	%rax, %rax
	jz	.Lended
	tell BELOW(CALL), rdi
.Lended:
	subl	$1, RECORDS_TOP(%rdi)
	end_running
	.cfi_remember_state
	leave_all

	.cfi_restore_state
.Lleave_no_more:
	movq	$0, THREAD_RUNNING(%rdx)
.Lleave_slowly:
	movq	RETURN(%rbp), %rax
	movq	STUB_DATA+STUB_FULL(%rax), %rax
	movq	%rax, EP_REGS_RIP(%rbp)
	undo_all
	jmp	*EP_REGS_RIP-RETURN(%rsp)
	end	calls_told_leave

	.section .note.GNU-stack, "", @progbits
