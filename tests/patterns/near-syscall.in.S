/* SPDX-License-Identifier: MIT */
	syscall
