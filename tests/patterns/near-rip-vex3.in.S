/* SPDX-License-Identifier: MIT */
	vpermq $0x1b, data(%rip), %ymm6
