/* SPDX-License-Identifier: MIT */
/*
 * CALL_SITES functions that do nothing but call the same one: as malloc() is called in a compiler. Each
 * has unwind information, without which a caller is left alone.
 */
#include "perf/call_sites.h"

	.text
	.p2align 4
	.globl	call_sites_callee
	.hidden	call_sites_callee
	.type	call_sites_callee, @function
call_sites_callee:
	.cfi_startproc
	push	%rbx
	.cfi_adjust_cfa_offset 8
	xor	%eax, %eax
	xor	%ecx, %ecx
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	call_sites_callee, . - call_sites_callee

	.p2align 12
	.globl	call_sites
	.hidden	call_sites
	.type	call_sites, @function
call_sites:
	.rept	CALL_SITES
	.p2align 4
	.cfi_startproc
	push	%rbx
	.cfi_adjust_cfa_offset 8
	call	call_sites_callee
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.endr
	.size	call_sites, . - call_sites

	.section .note.GNU-stack, "", @progbits
