/* SPDX-License-Identifier: MIT */
	test %rdi, %rdi
	.byte 0x0f, 0x84
	.long home + 0x15 - . - 4
	.byte 0xe9
	.long home + 5 - . - 4
