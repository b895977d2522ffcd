/* SPDX-License-Identifier: MIT */
	.byte 0xe2, 0x10	# loop .+0x12
