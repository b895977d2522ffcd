/* SPDX-License-Identifier: MIT */
	lea data(%eip), %rdi
