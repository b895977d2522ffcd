/* SPDX-License-Identifier: MIT */
	push %rbp
	mov %rsp, %rbp
	sub $16, %rsp
	.byte 0xe9
	.long home + 8 - . - 4
