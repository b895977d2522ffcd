/* SPDX-License-Identifier: MIT */
	addq $5, data(%rip)
