/* SPDX-License-Identifier: MIT */
/*
 * What a thread that returns into a stub calls: as a detour does, but the data is the stub's, which
 * lies apart. And what unwinders need to know of all stubs.
 */
#include "fallback-xol/stub.h"

/* Of the data, from the return address into the stub. */
#define DATA	(XOL_STUBS * XOL_STUB_SIZE - STUB_HANDLED)
#define SHARED(kind) xol_stub_##kind
#define ADDRESS (DATA + STUB_ADDRESS)
#define SITE	(DATA + STUB_SITE)
#define WHERE	(DATA + STUB_WHERE)
#define HIT	(DATA + STUB_HIT)
#define BEHIND	(STUB_LEAVE - STUB_HANDLED)
/* DW_OP_plus_uconst ADDRESS */
#define SEVEN_BITS(number, at) (((number) >> (at)) & 0x7f)
#define ULEB(number)                                                                               \
	SEVEN_BITS(number, 0) + 0x80, SEVEN_BITS(number, 7) + 0x80, SEVEN_BITS(number, 14) + 0x80, \
		SEVEN_BITS(number, 21)
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
	.cfi_escape 0x0f, 51
	.cfi_escape 0x77, 0, 0x80, 0, 0x08, 63, 0x1a			# breg7, breg16, & 63
	.cfi_escape 0x12, 0x08, STUB_TAKEN, 0x2d, 0x28, 23, 0		# dup, < 8: bra to 8
	.cfi_escape 0x12, 0x08, STUB_BELOW, 0x2d, 0x28, 22, 0		# dup, < 22: bra to 0
	.cfi_escape 0x12, 0x08, STUB_LEAVE, 0x2d, 0x28, 19, 0		# dup, < 36: bra to 128
	.cfi_escape 0x08, STUB_PUSHED, 0x2a, 0x33, 0x24, 0x22, 0x2f, 14, 0 # >= 42, << 3, +, skip
	.cfi_escape 0x13, 0x23, 8, 0x2f, 8, 0				# 8: drop, + 8, skip
	.cfi_escape 0x13, 0x2f, 4, 0					# 0: drop, skip
	.cfi_escape 0x13, 0x23, 0x80, 1					# 128: drop, + 128
	# DW_CFA_expression RA, { breg16 & -64; plus_uconst FROM_CODE }
	.cfi_escape 0x10, 0x10, 10, 0x80, 0, 0x09, 0xc0, 0x1a, 0x23, ULEB(FROM_CODE)
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
