/* SPDX-License-Identifier: MIT */
/*
 * What a thread that returns into a stub calls: as a detour does, but the data is the stub's, which
 * lies apart. And what unwinders need to know of all stubs.
 */
#include "fallback-xol/stub.h"

#define DATA	STUB_DATA
#define SHARED(kind) xol_stub_##kind
#define ADDRESS (DATA + STUB_ADDRESS)
#define SITE	(DATA + STUB_SITE)
#define WHERE	(DATA + STUB_WHERE)
#define HIT	(DATA + STUB_HIT)
#define BEHIND	(STUB_LEAVE - STUB_HANDLED)
/* DW_OP_plus_uconst ADDRESS */
#define CFI_TO_ADDRESS 0x23, ULEB(ADDRESS)
#define CFI_SIZE       9

#include "fallback-xol/detour.S"

/*
 * Code and data of stubs: nothing is in the file, and the code is mapped when the first one is
 * made (stub.c). They lie inside the library for the sake of this FDE, which every unwinder finds by
 * itself. In numbers, with O the offset in the stub:
 *
 *	CFA = RSP + (O < 8 ? 8 : O < 22 ? 0 : O < 36 ? 128 : O < 42 ? 0 : 8)
 *	return address at (RIP & -64) + the distance to the data
 *
 * A stub's frame takes no space, and libgcc knows the frame that will catch an exception by its CFA: it
 * would take the stub for its caller. Of the caller of a signal frame it knows better, and so this says
 * that it is one. The address there is then that of an instruction, and is looked up as it stands; so
 * it is the one in front of the return address, which lies in the call.
 */
/* breg16 & (31 << 1) + 1: valgrind ends when it meets others than the simplest operations. */
#define CFI_OFFSET 0x80, 0, 0x4f, 0x31, 0x24, 0x31, 0x22, 0x1a
#if STUB_TAKEN != 8 || STUB_BELOW != 22 || STUB_LEAVE != 9 << 2 || STUB_PUSHED != 21 << 1
#error "the numbers below"
#endif
#define FROM_CODE (XOL_STUBS * XOL_STUB_SIZE + STUB_CALLER)

	.section .bss.xol_stubs, "aw", @nobits
	.globl	xol_stubs
	.hidden	xol_stubs
	.type	xol_stubs, @function
	.p2align 12
xol_stubs:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_personality 0x9b, xol_stub_personality_at	# by a pointer
	# DW_CFA_def_cfa_expression
	.cfi_escape 0x0f, 58
	.cfi_escape 0x77, 8					# breg7 + 8
	.cfi_escape CFI_OFFSET, 0x38, 0x2a, 0x33, 0x24, 0x1c	# O >= 8, << 3, minus
	.cfi_escape CFI_OFFSET, 0x46, 0x2a, 0x37, 0x24, 0x22	# O >= 22, << 7, plus
	.cfi_escape CFI_OFFSET, 0x39, 0x32, 0x24, 0x2a, 0x37, 0x24, 0x1c # O >= 9 << 2, << 7, minus
	.cfi_escape CFI_OFFSET, 0x45, 0x31, 0x24, 0x2a, 0x33, 0x24, 0x22 # O >= 21 << 1, << 3, plus
	# DW_CFA_expression RA, { breg16 + FROM_CODE; O; minus }
	.cfi_escape 0x10, 0x10, 14, 0x80, ULEB(FROM_CODE), CFI_OFFSET, 0x1c
	.skip	XOL_STUBS * XOL_STUB_SIZE
	.cfi_endproc
	.size	xol_stubs, .-xol_stubs

	.globl	xol_stub_data
	.hidden	xol_stub_data
	.type	xol_stub_data, @object
xol_stub_data:
	.skip	XOL_STUBS * XOL_STUB_SIZE
	.size	xol_stub_data, .-xol_stub_data

	.globl	xol_stub_table
	.hidden	xol_stub_table
	.type	xol_stub_table, @object
xol_stub_table:
	.skip	XOL_STUB_ENTRIES * 4
	.size	xol_stub_table, .-xol_stub_table

	.section .note.GNU-stack, "", @progbits
