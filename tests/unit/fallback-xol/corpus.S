/* SPDX-License-Identifier: MIT */
/*
 * Instructions to be copied: every encoding, every kind of operand, every prefix. Their registers
 * are set up by boost_test.c: rdi, rsi and rbx point into memory, rcx is small, the others hold
 * patterns.
 */
#include "tests/unit/fallback-xol/run.h"

	.macro	insn text:vararg
	.section .rodata.str, "aMS", @progbits, 1
91:	.asciz	"\text"
	.text
92:	\text
93:	jmp	run_exit
	.section .data.rel.ro, "aw"
	.quad	92b, 93b, 91b, needed
	.text
	.endm

	.macro	needs feature:req
	.set	needed, \feature
	.endm

	.section .data.rel.ro, "aw"
	.balign	8
	.globl	run_corpus
run_corpus:
	.text

	needs	RUN_BASELINE
	# one byte, prefixes, immediates
	insn	nop
	insn	nopw 0x10(%rax,%rax)
	insn	nopl run_data(%rip)
	insn	endbr64
	insn	push %rax
	insn	push %rsp
	insn	pushq $-3
	insn	pushq (%rbx)
	insn	pushq run_data+64(%rip)
	insn	pushfq
	insn	pop %rdx
	insn	pop %rsp
	insn	popq run_data+128(%rip)
	insn	popfq
	insn	mov %rsp, %rax
	insn	mov $0x123456789abcdef0, %r11
	insn	mov run_data+8(%rip), %rax
	insn	mov run_data+8(%rip), %rsi
	insn	mov run_data+8(%rip), %rdi
	insn	mov run_data+8(%rip), %rbp
	insn	mov run_data+8(%rip), %r14
	insn	mov %ah, run_data+8(%rip)
	insn	mov run_data+8(%rip), %bh
	insn	mov %sil, run_data+9(%rip)
	insn	movw $0x1234, run_data+16(%rip)
	insn	movl $0x12345678, run_data+16(%rip)
	insn	movq $-2, run_data+16(%rip)
	insn	movb $7, run_data+16(%rip)
	insn	mov %ds, run_data(%rip)
	insn	lea run_data+77(%rip), %rcx
	insn	lea run_data+77(%rip), %r13
	insn	lea run_data+77(%rip), %ecx
	insn	lea 16(%rsp,%rcx,2), %rbp
	insn	add run_data(%rip), %rdi
	insn	adc %rsi, run_data(%rip)
	insn	addl $0x11223344, run_data+4(%rip)
	insn	addw $0x1122, run_data+4(%rip)
	insn	lock addq $1, run_data+32(%rip)
	insn	lock xaddq %rsi, run_data+32(%rip)
	insn	lock cmpxchgq %rsi, run_data+32(%rip)
	insn	lock cmpxchg16b run_data+32(%rip)
	insn	lock decl (%rbx)
	insn	xchg %rbp, run_data(%rip)
	insn	incb run_data(%rip)
	insn	notq run_data(%rip)
	insn	negl run_data(%rip)
	insn	mulq run_data(%rip)
	insn	imul $100, run_data(%rip), %rdi
	insn	imul run_data(%rip), %rsi
	insn	div %cl
	insn	testq $0x7f, run_data(%rip)
	insn	cmpb $0x7f, run_data(%rip)
	insn	shlq %cl, run_data(%rip)
	insn	shldq $5, %rsi, run_data(%rip)
	insn	rclw $1, run_data(%rip)
	insn	btsl %eax, run_data(%rip)
	insn	btq $63, run_data(%rip)
	insn	bsf run_data(%rip), %rsi
	insn	cmovb run_data(%rip), %rdi
	insn	setz run_data(%rip)
	insn	movzbl run_data(%rip), %esi
	insn	movslq run_data(%rip), %rdi
	insn	bswap %r9
	insn	cltq
	insn	cqto
	insn	sahf
	insn	lahf
	insn	std
	insn	cmc
	insn	enter $32, $0
	insn	enter $32, $3
	insn	leave
	insn	xlat
	insn	movntiq %rsi, run_data(%rip)
	insn	prefetcht0 run_data(%rip)
	insn	clflush run_data(%rip)
	insn	mfence
	insn	cpuid
	insn	rdfsbase %rdi
	insn	mov %fs:0, %rdi
	insn	movq %fs:0x28, %rsi
	insn	ds mov (%rbx), %eax
	insn	addr32 lea run_data(%eip), %rdi
	insn	addr32 lea 8(%edi), %rsi
	insn	syscall
	insn	ldmxcsr run_data+1024(%rip)
	insn	stmxcsr run_data+16(%rip)

	# string instructions, direction flag as set by the test
	insn	movsb
	insn	rep movsb
	insn	rep movsq
	insn	rep stosl
	insn	repe cmpsb
	insn	repne scasb
	insn	lodsw

	# x87 and MMX
	insn	fld1
	insn	fldl run_data(%rip)
	insn	fildll run_data(%rip)
	insn	fldt run_data(%rip)
	insn	fstpt run_data+64(%rip)
	insn	fbstp run_data+64(%rip)
	insn	faddl run_data(%rip)
	insn	fsin
	insn	fcomi %st(1), %st
	insn	fnstcw run_data(%rip)
	insn	fldcw run_data+1028(%rip)
	insn	fnstsw %ax
	insn	emms
	insn	movq run_data(%rip), %mm3
	insn	paddb run_data(%rip), %mm4
	insn	maskmovq %mm1, %mm2

	# SSE
	insn	movaps run_data(%rip), %xmm0
	insn	movaps run_data(%rip), %xmm4
	insn	movups %xmm15, run_data+3(%rip)
	insn	addsd run_data(%rip), %xmm6
	insn	cvtsi2sdq run_data(%rip), %xmm7
	insn	cvttsd2si run_data(%rip), %rsi
	insn	pshufb run_data(%rip), %xmm5
	insn	pextrq $1, %xmm3, run_data(%rip)
	insn	pinsrd $2, run_data(%rip), %xmm4
	insn	pcmpestri $0x0c, run_data(%rip), %xmm4
	insn	pcmpistrm $0x0c, run_data(%rip), %xmm4
	insn	blendvpd %xmm0, run_data(%rip), %xmm4
	insn	maskmovdqu %xmm1, %xmm2
	insn	movntdq %xmm6, run_data(%rip)
	insn	crc32q run_data(%rip), %rsi
	insn	movbe run_data(%rip), %rdi
	insn	popcnt run_data(%rip), %rsi
	insn	aesenc run_data(%rip), %xmm4
	insn	pclmulqdq $1, run_data(%rip), %xmm4
	insn	fxsave run_data+2048(%rip)

	needs	RUN_AVX2
	insn	vaddps run_data(%rip), %ymm3, %ymm4
	insn	vaddps run_data(%rip), %ymm14, %ymm15
	insn	vmovdqu %ymm12, run_data(%rip)
	insn	vpermq $0x1b, run_data(%rip), %ymm6
	insn	vpshufb run_data(%rip), %xmm6, %xmm7
	insn	vinserti128 $1, run_data(%rip), %ymm6, %ymm7
	insn	vblendvps %ymm6, run_data(%rip), %ymm7, %ymm5
	insn	vfmadd231pd run_data(%rip), %ymm6, %ymm7
	insn	vpgatherdd %ymm5, (%rbx,%ymm15,1), %ymm2
	insn	vpmaskmovd %ymm5, %ymm2, run_data(%rip)
	insn	vzeroupper
	insn	vcvtsi2sdq run_data(%rip), %xmm1, %xmm2
	insn	vcvttsd2si run_data(%rip), %rdi
	needs	RUN_BMI2
	insn	andn run_data(%rip), %rsi, %rdi
	insn	andn run_data(%rip), %rdi, %rsi
	insn	andn run_data(%rip), %r14, %r15
	insn	bextr %rsi, run_data(%rip), %rdi
	insn	bzhi %rbp, run_data(%rip), %rsi
	insn	blsr run_data(%rip), %rsi
	insn	mulx run_data(%rip), %rsi, %rdi
	insn	rorx $7, run_data(%rip), %rsi
	insn	pdep run_data(%rip), %rdi, %rsi
	insn	shlx %rsi, run_data(%rip), %rbp
	needs	RUN_AVX512F
	insn	vaddpd run_data(%rip), %zmm17, %zmm30
	insn	vaddpd run_data(%rip){1to8}, %zmm7, %zmm6{%k1}{z}
	insn	vmovdqu64 %zmm29, run_data(%rip)
	insn	vpternlogd $0x96, run_data(%rip), %zmm4, %zmm5{%k2}
	insn	vpcmpeqd run_data(%rip), %zmm4, %k3
	insn	vgatherdps (%rbx,%zmm15,1), %zmm2{%k1}
	insn	vpscatterdd %zmm2, (%rbx,%zmm15,1){%k1}
	insn	vpcompressd %zmm7, run_data(%rip){%k1}
	insn	vcvttsd2usi run_data(%rip), %rsi
	insn	kmovw run_data(%rip), %k5
	insn	kxnorw %k1, %k2, %k3
	needs	RUN_AMX
	insn	ldtilecfg run_data+1088(%rip)
	insn	tilerelease

	.section .data.rel.ro, "aw"
	.globl	run_corpus_end
run_corpus_end:

	.data
	.globl	run_data
	.balign	4096
run_data:
	.skip	4096

	.section .note.GNU-stack, "", @progbits
