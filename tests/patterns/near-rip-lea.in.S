/* SPDX-License-Identifier: MIT */
	lea data(%rip), %rcx
