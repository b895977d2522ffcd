/* SPDX-License-Identifier: MIT */
	.byte 0x0f, 0x84
	.long home + 0x12 - . - 4
	.byte 0xe9
	.long home + 2 - . - 4
