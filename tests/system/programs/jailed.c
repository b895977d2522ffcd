/* SPDX-License-Identifier: MIT */
/* jailed FOLDER: goes to an empty root, without /proc, and works on there. */
#include <sys/wait.h>

#include "check.h"

int main(int argc, char **argv)
{
	int status = 0;

	CHECK(argc > 1 && chroot(argv[1]) == 0 && chdir("/") == 0);
	for (size_t i = 1; i < 3000; i++)
		free(malloc(i));
	if (fork() == 0)
		_exit(3);
	CHECK(wait(&status) > 0 && WEXITSTATUS(status) == 3);
	puts("jailed");
	return check_failures ? 1 : 8;
}
