/* SPDX-License-Identifier: MIT */
	rep movsb
