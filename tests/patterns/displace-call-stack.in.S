/* SPDX-License-Identifier: MIT */
	call *16(%rsp)
