/* SPDX-License-Identifier: MIT */
	.byte 0xe8	# call target
	.long target - . - 4
