/* SPDX-License-Identifier: MIT */
/*
 * Back from a signal handler without rt_sigreturn(2), where a sandbox refuses that. RDI is the
 * ucontext_t. Vector registers first, since the kernel has cleared them for the handler; then the
 * mask, and whatever is pending arrives here, above everything that is still needed; then the general
 * registers, and with iretq RIP, RFLAGS and RSP at once. It is done with RSP at gregs:
 *
 *	rsp ->	r8 .. r15 rdi rsi rbp rbx rdx rax rcx rsp
 *		rip rflags csgsfs err trapno		which become
 *		rip cs rflags rsp ss
 */
#include <asm/unistd.h>

#include "probe/guest/sandbox.h"
#include "sys/abi.h"
#include "x86/regs.h"

#define SETMASK	     2 /* SIG_SETMASK; sandbox.c compares */
#define FEATURES     (SYS_XSAVE_SOFTWARE + 8)

	.macro	label name:req
	.globl	\name
	.hidden	\name
\name:
	.endm

	# Column @column of DWARF is at rsp + @offset: DW_CFA_expression { rsp + offset }.
	.macro	saved column:req, offset:req
	.cfi_escape 0x10, \column, 3, 0x77, (\offset) & 0x7f | 0x80, (\offset) >> 7
	.endm

	.section ep_trap_path, "ax", @progbits
	.balign	16
	.type	sandbox_leave, @function
	label	sandbox_leave
	.cfi_startproc
	leaq	SANDBOX_GREGS(%rdi), %rsp
	.cfi_signal_frame
	.cfi_escape 0x0f, 4, 0x77, EP_REGS_RSP & 0x7f | 0x80, EP_REGS_RSP >> 7, 0x06
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	saved	\n, (8 * (\n - 8))
	.endr
	saved	5, EP_REGS_RDI
	saved	4, EP_REGS_RSI
	saved	6, EP_REGS_RBP
	saved	3, EP_REGS_RBX
	saved	1, EP_REGS_RDX
	saved	0, EP_REGS_RAX
	saved	2, EP_REGS_RCX
	saved	7, EP_REGS_RSP
	saved	16, EP_REGS_RIP
	movq	SANDBOX_FPREGS(%rdi), %rsi
	testq	%rsi, %rsi
	jz	2f
	cmpl	$SYS_XSAVE_MAGIC, SYS_XSAVE_SOFTWARE(%rsi)
	jne	1f
	movl	FEATURES(%rsi), %eax
	movl	FEATURES + 4(%rsi), %edx
	xrstor64 (%rsi)
	jmp	2f
1:	fxrstor64 (%rsi)
2:	movq	EP_REGS_RFLAGS(%rsp), %rax
	movq	EP_REGS_RSP(%rsp), %rcx
	movl	%cs, %edx
	movl	%ss, %esi
	movq	%rdx, SANDBOX_IRET + 8(%rsp)
	movq	%rax, SANDBOX_IRET + 16(%rsp)
	movq	%rcx, SANDBOX_IRET + 24(%rsp)
	movq	%rsi, SANDBOX_IRET + 32(%rsp)
	movl	$__NR_rt_sigprocmask, %eax
	movl	$SETMASK, %edi
	leaq	SANDBOX_SIGMASK - SANDBOX_GREGS(%rsp), %rsi
	xorl	%edx, %edx
	movl	$SYS_SIGSET_SIZE, %r10d
	.byte	SYSCALL_MARK
	syscall
	label	sandbox_opened
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
	leaq	SANDBOX_IRET(%rsp), %rsp
	.cfi_def_cfa rsp, 40
	.cfi_escape 0x0f, 2, 0x77, 24, 0x06		# CFA: what is at rsp + 24
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15
	.cfi_same_value \n
	.endr
	.cfi_escape 0x10, 7, 2, 0x77, 24
	.cfi_escape 0x10, 16, 2, 0x77, 0
	label	sandbox_last
	iretq
	.cfi_endproc
	label	sandbox_leave_end
	.size	sandbox_leave, . - sandbox_leave
	.section .note.GNU-stack, "", @progbits
