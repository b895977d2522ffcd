/* SPDX-License-Identifier: MIT */
	.byte 0x48, 0x8d, 0xa4, 0x24	# lea -128(%rsp), %rsp, with a disp32
	.long -128
	push %rbp
	movabs $data, %rbp
	.byte 0xc4, 0xe2, 0xc0, 0xf2, 0xb5	# andn 0(%rbp), %rdi, %rsi
	.long 0
	pop %rbp
	.byte 0x48, 0x8d, 0xa4, 0x24	# lea 128(%rsp), %rsp
	.long 128
	.byte 0xff, 0x25, 0, 0, 0, 0
	.quad home + 9
