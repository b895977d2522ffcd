/* SPDX-License-Identifier: MIT */
	addq $5, data(%rip)
	.byte 0xe9
	.long home + 8 - . - 4
