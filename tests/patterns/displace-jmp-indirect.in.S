/* SPDX-License-Identifier: MIT */
	jmp *data(,%rcx,8)
