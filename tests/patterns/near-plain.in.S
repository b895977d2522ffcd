/* SPDX-License-Identifier: MIT */
	mov %rdi, %rax
