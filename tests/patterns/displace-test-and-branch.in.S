/* SPDX-License-Identifier: MIT */
	test %rdi, %rdi
	.byte 0x74, 0x10	# je .+0x12
