/* SPDX-License-Identifier: MIT */
/* See door.h. The page of the data is made writable when the first door is taken. */
#include "fallback-xol/door.h"
#include "sys/abi.h"

#if XOL_DOORS * XOL_DOOR_SIZE != 4096 || XOL_DOOR_OWNER != 8
#error "the numbers below"
#endif

	.section ep_trap_path, "ax", @progbits
	.globl	xol_doors
	.hidden	xol_doors
	.type	xol_doors, @function
	.p2align 12
/*
 * As a signal frame: the caller is looked up as it stands, behind the call. Its address is at
 * RIP - RIP % 16 + 4096 + 8; valgrind ends when it meets others than the simplest operations.
 */
xol_doors:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa rsp, 0
	# DW_CFA_expression RA, { breg16 + 4104; breg16; lit15; and; minus }
	.cfi_escape 0x10, 0x10, 8, 0x80, 0x88, 0x20, 0x80, 0, 0x3f, 0x1a, 0x1c
	.rept	XOL_DOORS
	.byte	SYSCALL_MARK
	syscall
	jmp	*(XOL_DOORS * XOL_DOOR_SIZE - XOL_DOOR_DONE - 6)(%rip)
	.balign	XOL_DOOR_SIZE, 0xcc
	.endr
	.cfi_endproc
	.size	xol_doors, . - xol_doors

	.globl	xol_door_data
	.hidden	xol_door_data
	.type	xol_door_data, @object
xol_door_data:
	.skip	XOL_DOORS * XOL_DOOR_SIZE
	.size	xol_door_data, . - xol_door_data

	.section .note.GNU-stack, "", @progbits
