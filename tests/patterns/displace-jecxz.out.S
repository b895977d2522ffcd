/* SPDX-License-Identifier: MIT */
	.byte 0x67, 0xe3, 5
	.byte 0xe9
	.long 5
	.byte 0xe9
	.long home + 0x13 - . - 4
	.byte 0xe9
	.long home + 3 - . - 4
