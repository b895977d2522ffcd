/* SPDX-License-Identifier: MIT */
	movl $0x11223344, data(%rip)
	.byte 0xe9
	.long home + 10 - . - 4
