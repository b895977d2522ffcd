/* SPDX-License-Identifier: MIT */
	pushq $home + 4
	.byte 0xff, 0xa4, 0x24	# jmp *24(%rsp), with a disp32
	.long 24
	.byte 0xe9
	.long home + 4 - . - 4
