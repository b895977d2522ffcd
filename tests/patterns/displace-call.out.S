/* SPDX-License-Identifier: MIT */
	pushq $home + 5
	.byte 0xe9
	.long target - . - 4
	.byte 0xe9
	.long home + 5 - . - 4
