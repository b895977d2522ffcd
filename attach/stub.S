/* SPDX-License-Identifier: MIT */
/*
 * Copied into the process, and run there by two threads:
 *
 *	the borrowed one   stub_borrowed: pthread_create(agent), say so, wait to be put back
 *	the new one        agent: dlopen(), dlsym(), and on to the library's function
 *
 * The borrowed thread is on a stack in the same memory. If the launcher is gone its wait ends, and it
 * goes back by the frame that was prepared, and before it has come here by way of stub_abandoned: so
 * nothing here depends on anybody.
 */
#include <asm/unistd.h>

#include "attach/stub.h"

#define MSG_NOSIGNAL 0x4000
#define RTLD_NOW     2
#define CLOSE_RANGE_UNSHARE 2

	.section .rodata
	.globl stub_begin, stub_borrowed, stub_abandoned, stub_end
	.hidden stub_begin, stub_borrowed, stub_abandoned, stub_end

stub_begin:

/* %rbx: the block; %rsp: the end of a stack */
stub_borrowed:
	call	*STUB_ERRNO_LOCATION(%rbx)
	movq	%rax, %r12
	movl	(%r12), %ebp			# the thread's errno is the program's
	leaq	STUB_THREAD(%rbx), %rdi
	xorl	%esi, %esi
	leaq	agent(%rip), %rdx
	movq	%rbx, %rcx
	call	*STUB_PTHREAD_CREATE(%rbx)
	movl	%ebp, (%r12)
	movl	%eax, STUB_RESULT(%rbx)
	movb	$'d', STUB_MESSAGE(%rbx)	# done
	leaq	STUB_MESSAGE(%rbx), %rsi
	movl	$1, %edx
	call	send
	call	receive				# until the launcher puts us back, or is gone
	cmpl	$0, STUB_RESULT(%rbx)
	jne	5f				# there is no other thread, which would need them
3:	cmpl	$0, STUB_TABLE(%rbx)
	jne	4f
	leaq	STUB_TABLE(%rbx), %rdi
	xorl	%esi, %esi			# FUTEX_WAIT
	xorl	%edx, %edx
	xorl	%r10d, %r10d
	movl	$__NR_futex, %eax
	syscall
	jmp	3b
4:	cmpl	$STUB_TABLE_OWN, STUB_TABLE(%rbx)
	jne	6f
5:	call	close_ours
6:	movq	STUB_FRAME(%rbx), %rsp
	movl	$__NR_rt_sigreturn, %eax
	syscall

/* The launcher has died before that: close what there is. %rsp: the frame to go back by */
stub_abandoned:
	leaq	stub_begin+STUB_BLOCK(%rip), %rbx
	call	close_ours
	movl	$__NR_rt_sigreturn, %eax
	syscall

/* The pair's first one is the socket. */
close_ours:
	movl	STUB_PAIR(%rbx), %edi
	call	close
	movl	STUB_PAIR+4(%rbx), %edi
	call	close
	movl	STUB_RECEIVED(%rbx), %edi
	call	close
	movl	STUB_RECEIVED+4(%rbx), %edi

/* %edi: a descriptor, -1: none */
close:
	movl	$__NR_close, %eax
	syscall
	ret

/* %rsi, %rdx: what, and how many bytes */
send:
	movl	$__NR_sendto, %eax
	movl	STUB_SOCKET(%rbx), %edi
	movl	$MSG_NOSIGNAL, %r10d
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	syscall
	ret

/* one byte, onto the message; %rax: how many */
receive:
	movl	$__NR_recvfrom, %eax
	movl	STUB_SOCKET(%rbx), %edi
	leaq	STUB_MESSAGE+1(%rbx), %rsi
	movl	$1, %edx
	xorl	%r10d, %r10d
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	syscall
	ret

/* The start of the new thread: void *(void *block) */
agent:
	pushq	%rbx
	movq	%rdi, %rbx
	movq	%fs:16, %rdi			# pthread_self()
	call	*STUB_DETACH(%rbx)
	call	take_table
	movq	STUB_ENTRY(%rbx), %rax
	testq	%rax, %rax
	jne	go
	leaq	STUB_PATH(%rbx), %rdi
	movl	$RTLD_NOW, %esi
	call	*STUB_DLOPEN(%rbx)
	testq	%rax, %rax
	je	failed
	movq	%rax, %rdi
	leaq	STUB_SYMBOL(%rbx), %rsi
	call	*STUB_DLSYM(%rbx)
	testq	%rax, %rax
	je	failed
go:	leaq	STUB_ATTACHED(%rbx), %rdi
	popq	%rbx
	jmp	*%rax				# its return is the end of the thread

/*
 * A table of descriptors that has ours, and none of the program's: the first range has no end, so that none of it
 * is copied. Ours are closed in the program's table by the borrowed thread, or by the launcher for it.
 */
take_table:
	leaq	STUB_RANGES(%rbx), %r8
	movl	$CLOSE_RANGE_UNSHARE, %edx
	movl	$STUB_TABLE_SHARED, %r9d
1:	movl	(%r8), %edi
	movl	4(%r8), %esi
	cmpl	%esi, %edi
	ja	2f
	movl	$__NR_close_range, %eax
	syscall
	testq	%rax, %rax
	jne	2f				# no such call: the first one has failed
	movl	$STUB_TABLE_OWN, %r9d
	xorl	%edx, %edx
	addq	$8, %r8
	jmp	1b
2:	movl	%r9d, STUB_TABLE(%rbx)
	leaq	STUB_TABLE(%rbx), %rdi
	movl	$1, %esi			# FUTEX_WAKE
	movl	$1, %edx
	movl	$__NR_futex, %eax
	syscall
	ret

/* Say what the dynamic linker says; give back all that there is, this code included. */
failed:
	call	*STUB_DLERROR(%rbx)
	movq	%rax, %rsi
	xorl	%edx, %edx
	testq	%rsi, %rsi
	je	2f
1:	cmpb	$0, (%rsi,%rdx)
	je	2f
	incl	%edx
	cmpl	$500, %edx
	jne	1b
2:	call	send
	call	receive
	pushq	%rax
	call	close_ours
	popq	%rax
	cmpq	$1, %rax			# else the borrowed thread may still be here
	jne	3f
	movq	STUB_SYSCALL(%rbx), %rcx
	movq	STUB_ATTACHED+24(%rbx), %rdi	# .memory
	movq	STUB_ATTACHED+32(%rbx), %rsi	# .memory_size
	popq	%rbx
	movl	$__NR_munmap, %eax
	jmp	*%rcx				# returns 0, as our value
3:	popq	%rbx
	xorl	%eax, %eax
	ret
stub_end:

	.section .note.GNU-stack,"",@progbits
