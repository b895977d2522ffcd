/* SPDX-License-Identifier: MIT */
	pushq $home + 3
	.byte 0xff, 0xa4, 0x24	# jmp *8(%rsp)
	.long 8
	.byte 0xe9
	.long home + 3 - . - 4
