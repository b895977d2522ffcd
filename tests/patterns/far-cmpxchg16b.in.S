/* SPDX-License-Identifier: MIT */
	lock cmpxchg16b data(%rip)
