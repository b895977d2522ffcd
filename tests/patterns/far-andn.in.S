/* SPDX-License-Identifier: MIT */
	andn data(%rip), %rdi, %rsi
