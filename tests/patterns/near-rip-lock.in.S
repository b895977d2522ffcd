/* SPDX-License-Identifier: MIT */
	lock incl data(%rip)
