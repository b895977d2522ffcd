/* SPDX-License-Identifier: MIT */
	.byte 0x48, 0x8d, 0xa4, 0x24	# lea -128(%rsp), %rsp, with a disp32
	.long -128
	push %rdi
	movabs $data, %rdi
	.byte 0x62, 0x61, 0xf5, 0x40, 0x58, 0xb7	# vaddpd 0(%rdi), %zmm17, %zmm30
	.long 0
	pop %rdi
	.byte 0x48, 0x8d, 0xa4, 0x24	# lea 128(%rsp), %rsp
	.long 128
	.byte 0xff, 0x25, 0, 0, 0, 0
	.quad home + 10
