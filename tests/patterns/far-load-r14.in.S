/* SPDX-License-Identifier: MIT */
	mov data(%rip), %r14
