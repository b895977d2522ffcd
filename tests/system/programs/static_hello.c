/* SPDX-License-Identifier: MIT */
/* Linked statically: nothing can be preloaded. */
#include <stdio.h>

int main(void)
{
	puts("hello");
	return 0;
}
