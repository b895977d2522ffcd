/* SPDX-License-Identifier: MIT */
/*
 * Calls of a function whose only probe counts them: called by its detour, and by the stubs that it returns
 * to. Each does what calls.c would do, with as few registers as it needs, in the commonest case: an
 * idle thread, of which all is known, and no call that was left by a jump. In any other it
 * puts back what it has changed, and goes on in what would have been called otherwise.
 *
 *	P - 128		the program's red zone
 *	P - 136		return address into the detour or the stub; from there its data are found
 *	...		registers: the stack pointer stays, since signals keep off 128 bytes
 *
 * Signals may come at every instruction. A record that is being made, or taken away, is busy, and a
 * handler leaves it and all below as they are. To an unwinder these are signal frames, as in
 * fallback-xol/detour.S.
 */
#include "probe/site/pieces.inc"

#define FLAGS	-64
#define TARGET	-72


	.macro	keep reg:req, at:req
	movq	%\reg, -\at(%rsp)
	.cfi_offset \reg, -P - \at
	.endm

	.macro	give_back reg:req, at:req
	movq	-\at(%rsp), %\reg
	.cfi_restore \reg
	.endm

	.macro	keep_flags
	lahf
	seto	%al
	movl	%eax, FLAGS(%rsp)
	.endm

	.macro	give_back_flags
	movl	FLAGS(%rsp), %eax
	addb	$0x7f, %al			# OF
	sahf
	.endm

	.macro	give_back_five
	give_back_flags
	give_back rdi, 40
	give_back rsi, 32
	give_back rdx, 24
	give_back rcx, 16
	give_back rax, 8
	.endm

	.macro	give_back_entry is_sample:req
	.if	\is_sample
	give_back r10, 72
	.endif
	give_back r9, 56
	give_back r8, 48
	give_back_five
	.endm

	.section ep_trap_path, "ax", @progbits

	.macro	enter name:req, is_sample:req
	function \name
	cfi_of_detour
	keep	rax, 8
	keep	rcx, 16
	keep	rdx, 24
	keep	rsi, 32
	keep	rdi, 40
	keep	r8, 48
	keep	r9, 56
	.if	\is_sample
	keep	r10, 72
	.endif
	keep_flags
	find_mark probe_thread_here
	jne	.Lenter_slowly\is_sample
	movq	%fs:HERE_THREAD(%rax), %rdx
	movq	%fs:HERE_RECORDS(%rax), %rcx
	cmpq	$0, THREAD_RUNNING(%rdx)
	jne	.Lenter_slowly\is_sample	# in a handler
	movq	(%rsp), %rdx
	movq	P(%rsp), %rax			# where the caller goes on
	movq	DETOUR_SITE(%rdx), %rsi
	movl	RECORDS_TOP(%rcx), %r8d
	movq	SITE_LAST_STUB(%rsi), %rdi
	testq	%rdi, %rdi
	jz	.Lenter_slowly\is_sample
	cmpq	%rax, STUB_ADDRESS(%rdi)
	jne	.Lother_caller\is_sample
.Lstub_is_known\is_sample:
	movq	SITE_COUNTED(%rsi), %r9
	testq	%r9, %r9
	jz	.Lenter_slowly\is_sample	# its probe has gone
	movq	SITE_PROBE(%rsi), %rax
	testb	$PROBE_ENABLED, PROBE_STATE(%rax)
	jz	.Lenter_slowly\is_sample
	movq	SITE_BODY(%rsi), %rax
	cmpq	%rax, STUB_BODY(%rdi)
	jne	.Lenter_slowly\is_sample	# made by a trap, or for a detour before this one
	cmpl	RECORDS_LIMIT(%rcx), %r8d
	jae	.Lenter_slowly\is_sample
	cmpl	$0, RECORDS_SUSPECTS(%rcx)
	jne	.Lenter_slowly\is_sample
	address_records rax, rcx, r8
	leaq	P(%rsp), %rdx
	cmpq	%rdx, BELOW(STACK)(%rax)
	jbe	.Lenter_slowly\is_sample	# that call may have been left by a jump
	movq	(%rsp), %rdx
	movslq	DETOUR_WHERE(%rdx), %rdx
	movq	%fs:(%rdx), %rdx
	testq	%rdx, %rdx
	jz	.Lenter_slowly\is_sample	# the thread has no counters yet, or does not count now
	.if	\is_sample
	movslq	SITE_TURNS_AT(%rsi), %rdx
	movq	%fs:(%rdx), %r10
	testq	%r10, %r10
	jz	.Lenter_slowly\is_sample
	movslq	SITE_TURNS_AT+4(%rsi), %rdx
	cmpq	$0, (%r10,%rdx)
	je	.Lenter_slowly\is_sample	# it is the turn of this one
	decq	(%r10,%rdx)
	movq	(%rsp), %rdx
	movslq	DETOUR_WHERE(%rdx), %rdx
	movq	%fs:(%rdx), %rdx
	.endif
	addl	$1, %r8d
	movl	%r8d, RECORDS_TOP(%rcx)		# from here on the record is ours, and busy
	movq	(%rsp), %rcx
	movslq	DETOUR_WHERE+4(%rcx), %rcx
	incq	(%rdx,%rcx)
	leaq	P(%rsp), %rdx
	leaq	STUB_RETURNED-XOL_STUBS*XOL_STUB_SIZE(%rdi), %rcx
	movq	%rdx, TOP(STACK)(%rax)
	movq	%rcx, TOP(EXPECTED)(%rax)
	movq	%rsi, TOP(SITE)(%rax)
	movq	%r9, TOP(SERIAL)(%rax)
	subq	$STUB_RETURNED, %rcx
	movq	%rcx, P+XOL_WAY_ON(%rsp)
	movq	$RECORD_RUNNING, TOP(STATE)(%rax) # of a hit of its own
	.cfi_remember_state
	give_back_entry \is_sample
	ret

	.cfi_restore_state
	.cfi_remember_state
.Lother_caller\is_sample:
	find_stub rdi, di, r9, .Lenter_slowly\is_sample
	jmp	.Lstub_is_known\is_sample

	.cfi_restore_state
.Lenter_slowly\is_sample:
	give_back_entry \is_sample
	jmp	xol_detour_general
	end	\name
	.endm

	enter	calls_counted_enter, 0
	enter	calls_sampled_enter, 1

	function calls_counted_leave
	cfi_of_stub
	keep	rax, 8
	keep	rcx, 16
	keep	rdx, 24
	keep	rsi, 32
	keep	rdi, 40
	keep_flags
	find_mark probe_thread_here
	jne	.Lleave_slowly
	movq	%fs:HERE_RECORDS(%rax), %rcx
	movq	(%rsp), %rsi
	movl	RECORDS_TOP(%rcx), %eax
	movq	STUB_DATA+STUB_SITE(%rsi), %rdi
	address_records rdx, rcx, rax
	cmpq	$RECORD_RUNNING, BELOW(STATE)(%rdx)
	jne	.Lleave_slowly			# another kind, or none
	cmpl	$0, RECORDS_HOLES(%rcx)
	jne	.Lleave_slowly
	subq	$STUB_HANDLED - STUB_RETURNED, %rsi
	cmpq	%rsi, BELOW(EXPECTED)(%rdx)
	jne	.Lleave_slowly
	leaq	P-8(%rsp), %rsi
	cmpq	%rsi, BELOW(STACK)(%rdx)
	jne	.Lleave_slowly
	movq	SITE_COUNTED(%rdi), %rsi
	cmpq	%rsi, BELOW(SERIAL)(%rdx)
	jne	.Lleave_slowly			# its probe has gone
	movslq	SITE_RETURNS_AT(%rdi), %rsi
	movq	%fs:(%rsi), %rsi
	testq	%rsi, %rsi
	jz	.Lleave_slowly
	movslq	SITE_RETURNS_AT+4(%rdi), %rdi
	movw	$0, BELOW(STATE)(%rdx)		# RECORD_BUSY
	subl	$1, %eax
	movl	%eax, RECORDS_TOP(%rcx)
	incq	(%rsi,%rdi)
	.cfi_remember_state
	give_back_five
	ret

	.cfi_restore_state
.Lleave_slowly:
	movq	(%rsp), %rax
	movq	STUB_DATA+STUB_FULL(%rax), %rax
	movq	%rax, TARGET(%rsp)
	give_back_five
	jmp	*TARGET(%rsp)
	end	calls_counted_leave

	.section .bss.calls_stubs, "aw", @nobits
	.globl	calls_stubs
	.hidden	calls_stubs
	.type	calls_stubs, @object
	.p2align 6
calls_stubs:
	.skip	CALLS_STUBS * 8
	.size	calls_stubs, .-calls_stubs

	.section .note.GNU-stack, "", @progbits
