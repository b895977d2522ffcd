/* SPDX-License-Identifier: MIT */
	vaddpd data(%rip), %zmm17, %zmm30
	.byte 0xe9
	.long home + 10 - . - 4
