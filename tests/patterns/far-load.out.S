/* SPDX-License-Identifier: MIT */
	.byte 0x48, 0x8d, 0xa4, 0x24	# lea -128(%rsp), %rsp, with a disp32
	.long -128
	push %rsi
	movabs $data, %rsi
	.byte 0x48, 0x8b, 0x86	# mov 0(%rsi), %rax
	.long 0
	pop %rsi
	.byte 0x48, 0x8d, 0xa4, 0x24	# lea 128(%rsp), %rsp
	.long 128
	.byte 0xff, 0x25, 0, 0, 0, 0
	.quad home + 7
