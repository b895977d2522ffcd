/* SPDX-License-Identifier: MIT */
/* Prints what tests/support/platform.h measures: "platform", the first thing that ./dev test says. */
#include "tests/support/platform.h"

#include <stdio.h>

int main(void)
{
	char text[1024];

	platform_describe(text, sizeof(text));
	printf("platform: %s\n", text);
	return 0;
}
