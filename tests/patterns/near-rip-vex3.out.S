/* SPDX-License-Identifier: MIT */
	vpermq $0x1b, data(%rip), %ymm6
	.byte 0xe9
	.long home + 10 - . - 4
