/* SPDX-License-Identifier: MIT */
	.byte 0xeb, 0x10	# jmp .+0x12
