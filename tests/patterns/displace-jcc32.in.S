/* SPDX-License-Identifier: MIT */
	.byte 0x0f, 0x8f	# jg target
	.long target - . - 4
