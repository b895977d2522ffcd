/* SPDX-License-Identifier: MIT */
/* The text that prototypes.c reads, with a zero at its end. */
	.section .rodata
	.globl	prototypes_own
	.type	prototypes_own, @object
prototypes_own:
	.incbin	"share/emuprobe/prototypes"
	.byte	0
	.size	prototypes_own, . - prototypes_own
	.section .note.GNU-stack, "", @progbits
