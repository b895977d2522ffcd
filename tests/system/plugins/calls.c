/* SPDX-License-Identifier: MIT */
/* Blocks signals by a system call of its own: one of those that are guarded. */

long calls_kernel(const unsigned long *set);

long calls_kernel(const unsigned long *set)
{
	register long size __asm__("r10") = sizeof(*set);
	long ret;

	__asm__ volatile("mov $14, %%eax\n\t" /* rt_sigprocmask */
			 "syscall"
			 : "=&a"(ret)
			 : "D"(0), "S"(set), "d"(0), "r"(size)
			 : "rcx", "r11", "memory");
	return ret;
}
