/* SPDX-License-Identifier: MIT */
/* Names that a C file cannot give: see resolve.c, which has its own resolve_twin. */
	.macro	begin name
	.balign	16
	.type	\name, @function
\name:
	.cfi_startproc
	.endm
	.macro	end name
	nop
	ret
	.cfi_endproc
	.size	\name, . - \name
	.endm

	.text
	begin	resolve_twin		# local, as the one in resolve.c
	end	resolve_twin

	.globl	resolve_whole, __resolve_whole_alias, resolve_starred
	begin	resolve_whole
	.type	__resolve_whole_alias, @function
__resolve_whole_alias:
	end	resolve_whole
	.size	__resolve_whole_alias, . - __resolve_whole_alias

	begin	resolve_whole.part.0
	end	resolve_whole.part.0

	begin	resolve_whole.cold	# a branch leads there, no call
	end	resolve_whole.cold

	.balign	16			# no compiler makes such a name
	.type	"resolve_star*red", @function
"resolve_star*red":
	ret
	.size	"resolve_star*red", . - "resolve_star*red"
	begin	resolve_starred
	end	resolve_starred

	.globl	resolve_ifunc, resolve_fast
	begin	resolve_fast
	end	resolve_fast
	.balign	16
	.type	resolve_ifunc, @gnu_indirect_function
resolve_ifunc:
	.cfi_startproc
	lea	resolve_fast(%rip), %rax
	ret
	.cfi_endproc
	.size	resolve_ifunc, . - resolve_ifunc

	.section .note.GNU-stack, "", @progbits
