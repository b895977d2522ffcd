/* SPDX-License-Identifier: MIT */
	.byte 0x74, 0x10	# je .+0x12
