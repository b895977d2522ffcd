/* SPDX-License-Identifier: MIT */
	mov %rdi, %rax
	.byte 0xff, 0x25, 0, 0, 0, 0
	.quad home + 3
