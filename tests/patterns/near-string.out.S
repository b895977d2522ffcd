/* SPDX-License-Identifier: MIT */
	rep movsb
	.byte 0xe9
	.long home + 2 - . - 4
