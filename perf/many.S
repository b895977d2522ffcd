/* SPDX-License-Identifier: MIT */
/*
 * MANY functions to probe, each with unwind information of its own, as a library full of static
 * functions would have it: 16 bytes apart, so that a probe has neighbours in its page.
 */
#include "perf/many.h"

	.text
	.p2align 12
	.globl	many_functions
	.hidden	many_functions
	.type	many_functions, @function
many_functions:
	.rept	MANY
	.p2align 4
	.cfi_startproc
	push	%rbx
	.cfi_adjust_cfa_offset 8
	xor	%eax, %eax
	xor	%ecx, %ecx
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	ret
	.rept	MANY_DISTANCE - 7	# the rest is its own, too: more places
	nop
	.endr
	.cfi_endproc
	.endr
	.size	many_functions, . - many_functions

	.section .note.GNU-stack, "", @progbits
