/* SPDX-License-Identifier: MIT */
	mov data(%rip), %rax
