/* SPDX-License-Identifier: MIT */
	push %rbp
	mov %rsp, %rbp
	sub $16, %rsp
