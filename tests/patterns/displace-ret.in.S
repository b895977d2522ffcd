/* SPDX-License-Identifier: MIT */
	ret $16
