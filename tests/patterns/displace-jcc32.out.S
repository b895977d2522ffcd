/* SPDX-License-Identifier: MIT */
	.byte 0x0f, 0x8f
	.long target - . - 4
	.byte 0xe9
	.long home + 6 - . - 4
