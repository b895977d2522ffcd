/* SPDX-License-Identifier: MIT */
	mov %r15, data(%rip)
