/* SPDX-License-Identifier: MIT */
	pshufb data(%rip), %xmm3
