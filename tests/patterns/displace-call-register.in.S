/* SPDX-License-Identifier: MIT */
	call *%rax
