/* SPDX-License-Identifier: MIT */
	.byte 0x48, 0x8d, 0xa4, 0x24	# lea -128(%rsp), %rsp, with a disp32
	.long -128
	push %rsi
	movabs $data, %rsi
	.byte 0xc7, 0x86	# movl $0x11223344, 0(%rsi)
	.long 0, 0x11223344
	pop %rsi
	.byte 0x48, 0x8d, 0xa4, 0x24	# lea 128(%rsp), %rsp
	.long 128
	.byte 0xff, 0x25, 0, 0, 0, 0
	.quad home + 10
