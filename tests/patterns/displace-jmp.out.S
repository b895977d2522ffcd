/* SPDX-License-Identifier: MIT */
	.byte 0xe9
	.long home + 0x12 - . - 4
	.byte 0xe9
	.long home + 2 - . - 4
