/* SPDX-License-Identifier: MIT */
	vaddpd data(%rip), %zmm17, %zmm30
