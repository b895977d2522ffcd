/* SPDX-License-Identifier: MIT */
	call *(%rsp)
