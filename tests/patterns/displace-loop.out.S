/* SPDX-License-Identifier: MIT */
	.byte 0xe2, 5	# loop 1f
	.byte 0xe9
	.long 5	# jmp 2f
	.byte 0xe9	# 1: jmp
	.long home + 0x12 - . - 4
	.byte 0xe9
	.long home + 2 - . - 4
