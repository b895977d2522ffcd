/* SPDX-License-Identifier: MIT */
	vaddps data(%rip), %ymm3, %ymm4
