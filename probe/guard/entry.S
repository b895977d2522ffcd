/* SPDX-License-Identifier: MIT */
/*
 * Where the copy of a guarded `syscall` comes to (fallback-xol/guarded.c). P is the program's stack
 * pointer, B the struct guard_frame:
 *
 *	P - 128		the program's red zone
 *	B = P - 400	struct guard_frame
 *	...		our functions, aligned
 *
 *	guard_enter:	save registers
 *			guard_decide()	-> pass: the call as it is
 *					-> wait: the call with a mask of ours, then done
 *			guard_work()	with all signals blocked; then the program's mask is set
 *	guard_pass:	registers back; to the copy of the call
 *	guard_done:	registers back; behind the copy of the call
 *
 * Signals may come at every instruction but while guard_work() runs. What the program then sees is
 * made by guard_view(), by the labels: the registers are still those of the program, or they are
 * in the frame, to which RBX points. An unwinder takes the frame for a signal frame, whose
 * caller is the program at the call.
 */
#include <asm/unistd.h>

#include "fallback-xol/detour.h"
#include "fallback-xol/guarded.h"
#include "probe/guard/frame.h"
#include "sys/abi.h"

#define SETMASK	2 /* SIG_SETMASK; view.c compares */
#define MARK	.byte SYSCALL_MARK

	.macro	label name:req
	.globl	\name
	.hidden	\name
\name:
	.endm

	# All but rbx, rcx, r11, rsp, from the frame at rbx.
	.macro	restore_most
	movq	EP_REGS_R8(%rbx), %r8
	movq	EP_REGS_R9(%rbx), %r9
	movq	EP_REGS_R10(%rbx), %r10
	movq	EP_REGS_R12(%rbx), %r12
	movq	EP_REGS_R13(%rbx), %r13
	movq	EP_REGS_R14(%rbx), %r14
	movq	EP_REGS_R15(%rbx), %r15
	movq	EP_REGS_RDI(%rbx), %rdi
	movq	EP_REGS_RSI(%rbx), %rsi
	movq	EP_REGS_RBP(%rbx), %rbp
	movq	EP_REGS_RDX(%rbx), %rdx
	movq	EP_REGS_RAX(%rbx), %rax
	pushq	EP_REGS_RFLAGS(%rbx)	# below the frame
	popfq
	.endm

	.macro	load_call
	movq	GUARD_CALL(%rbx), %rax
	movq	GUARD_CALL+8(%rbx), %rdi
	movq	GUARD_CALL+16(%rbx), %rsi
	movq	GUARD_CALL+24(%rbx), %rdx
	movq	GUARD_CALL+32(%rbx), %r10
	movq	GUARD_CALL+40(%rbx), %r8
	movq	GUARD_CALL+48(%rbx), %r9
	.endm

	# Call a function of ours with the frame. rbx, r12 to r15 are kept by it.
	.macro	call_with_frame function:req
	movq	%rbx, %rdi
	call	\function
	.endm

	.section ep_trap_path, "ax", @progbits
	.type	guard_enter, @function
	.p2align 4
	label	guard_enter
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa rsp, 0
	.cfi_escape 0x10, 0x10, 0x02, 0x7b, GUARDED_ADDRESS	# RA: at r11 + GUARDED_ADDRESS
	leaq	-GUARD_ROOM(%rsp), %rsp
	.cfi_def_cfa_offset GUARD_ROOM
	label	guard_lowered
	movq	%r8, EP_REGS_R8(%rsp)
	movq	%r9, EP_REGS_R9(%rsp)
	movq	%r10, EP_REGS_R10(%rsp)
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
	movq	GUARDED_ADDRESS(%r11), %rcx
	movq	%rcx, EP_REGS_RIP(%rsp)
	movq	%rcx, EP_REGS_RCX(%rsp)	# as good as any: the call overwrites it
	leaq	2(%rcx), %rcx
	movq	%rcx, GUARD_END(%rsp)
	leaq	GUARD_ROOM(%rsp), %rcx
	movq	%rcx, EP_REGS_RSP(%rsp)
	movq	%r11, GUARD_DATA(%rsp)
	movq	$0, GUARD_STATE(%rsp)
	pushfq
	.cfi_adjust_cfa_offset 8
	label	guard_pushed
	popq	EP_REGS_RFLAGS(%rsp)
	.cfi_adjust_cfa_offset -8
	movq	EP_REGS_RFLAGS(%rsp), %rcx
	movq	%rcx, EP_REGS_R11(%rsp)
	movq	probe_thread_mark@gottpoff(%rip), %rcx
1:	movq	%fs:(%rcx), %rcx
2:	.pushsection ep_fixups, "a"
	.balign	4
	.long	1b - ., 2b - .
	.popsection
	cmpq	$XOL_THREAD_MARK, %rcx
	jne	1f
	movq	probe_thread_known@gottpoff(%rip), %rcx
	movq	%fs:(%rcx), %rcx
	jrcxz	1f
	movq	%rsp, GUARD_OF_THREAD(%rcx)
1:	movq	%rsp, %rbx
	label	guard_saved		# rbx is B from here on
	.cfi_def_cfa_register rbx
	.cfi_offset r8, EP_REGS_R8 - GUARD_ROOM
	.cfi_offset r9, EP_REGS_R9 - GUARD_ROOM
	.cfi_offset r10, EP_REGS_R10 - GUARD_ROOM
	.cfi_offset r12, EP_REGS_R12 - GUARD_ROOM
	.cfi_offset r13, EP_REGS_R13 - GUARD_ROOM
	.cfi_offset r14, EP_REGS_R14 - GUARD_ROOM
	.cfi_offset r15, EP_REGS_R15 - GUARD_ROOM
	.cfi_offset rdi, EP_REGS_RDI - GUARD_ROOM
	.cfi_offset rsi, EP_REGS_RSI - GUARD_ROOM
	.cfi_offset rbp, EP_REGS_RBP - GUARD_ROOM
	.cfi_offset rbx, EP_REGS_RBX - GUARD_ROOM
	.cfi_offset rdx, EP_REGS_RDX - GUARD_ROOM
	.cfi_offset rax, EP_REGS_RAX - GUARD_ROOM
	.cfi_offset 16, EP_REGS_RIP - GUARD_ROOM
	movq	%rbx, GUARD_COOKIE(%rbx)
	andq	$-16, %rsp
	cld				# the ABI wants it so
	call_with_frame guard_decide
	movl	%eax, %r12d
	cmpl	$GUARD_WORK, %eax
	jne	1f
	call_with_frame guard_work
	movl	%eax, %r12d
1:	cmpl	$GUARD_PASS, %r12d
	je	guard_pass
	cmpl	$GUARD_DONE, %r12d
	je	guard_done
	cmpl	$GUARD_LEAVE_DONE, %r12d
	je	guard_leave
	cmpl	$GUARD_LEAVE_PASS, %r12d
	je	guard_leave
	cmpl	$GUARD_CLONE, %r12d
	je	guard_clone
	load_call
	MARK
	syscall				# wait
	label	guard_waited
	movq	%rax, EP_REGS_RAX(%rbx)
	cmpl	$GUARD_WAIT, %r12d
	jne	guard_leave

	label	guard_done
	.cfi_remember_state
	movq	GUARD_DATA(%rbx), %rcx
	movq	GUARDED_DONE(%rcx), %rcx
	movq	EP_REGS_RFLAGS(%rbx), %r11
	movq	$0, GUARD_COOKIE(%rbx)
	restore_most
	movq	%rbx, %rsp
	.cfi_def_cfa_register rsp
	movq	EP_REGS_RBX(%rsp), %rbx
	label	guard_done_moved
	leaq	GUARD_ROOM(%rsp), %rsp
	.cfi_def_cfa_offset 0
	label	guard_done_jump
	jmp	*%rcx
	.cfi_restore_state

	label	guard_pass
	.cfi_remember_state
	movq	GUARD_DATA(%rbx), %r11
	movq	GUARDED_PASS(%r11), %rcx
	movq	$0, GUARD_COOKIE(%rbx)
	restore_most
	movq	%rbx, %rsp
	.cfi_def_cfa_register rsp
	movq	EP_REGS_RBX(%rsp), %rbx
	label	guard_pass_moved
	leaq	GUARD_ROOM(%rsp), %rsp
	.cfi_def_cfa_offset 0
	label	guard_pass_jump
	jmp	*%rcx
	.cfi_restore_state

	# Open the program's signals; what is pending arrives right behind the call.
	label	guard_leave
	movl	$__NR_rt_sigprocmask, %eax
	movl	$SETMASK, %edi
	leaq	GUARD_MASK(%rbx), %rsi
	xorl	%edx, %edx
	movl	$SYS_SIGSET_SIZE, %r10d
	MARK
	syscall
	label	guard_left
	cmpl	$GUARD_LEAVE_PASS, %r12d
	je	guard_pass
	jmp	guard_done

	# The child finds its frame through r14: it may be on a stack of its own, and its parent's
	# may be gone.
	label	guard_clone
	movq	GUARD_CHILD(%rbx), %r14
	load_call
	MARK
	syscall
	testq	%rax, %rax
	jz	1f
	movq	%rax, EP_REGS_RAX(%rbx)
	jmp	guard_leave
1:	movq	%r14, %rbx
	movq	%rbx, %rsp
	andq	$-16, %rsp
	movq	%rax, EP_REGS_RAX(%rbx)
	call_with_frame guard_child
	jmp	guard_leave
	.cfi_endproc
	label	guard_entry_end
	.size	guard_enter, . - guard_enter

	.section .note.GNU-stack, "", @progbits
