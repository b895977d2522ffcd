/* SPDX-License-Identifier: MIT */
	.byte 0x48, 0x8d, 0xa4, 0x24	# lea -128(%rsp), %rsp, with a disp32
	.long -128
	push %rsi
	movabs $data, %rsi
	.byte 0xf0, 0x48, 0x0f, 0xc7, 0x8e	# lock cmpxchg16b 0(%rsi)
	.long 0
	pop %rsi
	.byte 0x48, 0x8d, 0xa4, 0x24	# lea 128(%rsp), %rsp
	.long 128
	.byte 0xff, 0x25, 0, 0, 0, 0
	.quad home + 9
