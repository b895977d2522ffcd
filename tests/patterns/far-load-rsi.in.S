/* SPDX-License-Identifier: MIT */
	mov data(%rip), %rsi
