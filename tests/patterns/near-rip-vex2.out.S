/* SPDX-License-Identifier: MIT */
	vaddps data(%rip), %ymm3, %ymm4
	.byte 0xe9
	.long home + 8 - . - 4
