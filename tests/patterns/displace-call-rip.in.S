/* SPDX-License-Identifier: MIT */
	call *data(%rip)
