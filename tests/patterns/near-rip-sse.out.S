/* SPDX-License-Identifier: MIT */
	pshufb data(%rip), %xmm3
	.byte 0xe9
	.long home + 9 - . - 4
