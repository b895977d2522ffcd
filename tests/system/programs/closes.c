/* SPDX-License-Identifier: MIT */
/* closes N: closes all descriptors from N on, as daemons do, and knows all that are open then. */
#include <fcntl.h>
#include <sys/wait.h>

#include "check.h"

static void work(void)
{
	for (size_t i = 1; i < 100; i++)
		free(malloc(i));
}

int main(int argc, char **argv)
{
	int first = argc > 1 ? atoi(argv[1]) : 3, status = 0;

	work();
	closefrom(first);
	for (int fd = first; fd < 2000; fd++)
		CHECK(fcntl(fd, F_GETFD) < 0);
	CHECK(open("/dev/null", O_RDWR) == first);
	work();
	if (fork() == 0)
		_exit(open("/dev/null", O_RDWR) == first + 1 ? 3 : 4);
	CHECK(wait(&status) > 0 && WEXITSTATUS(status) == 3);
	close_range((unsigned int)first, ~0u, 0);
	work();
	return check_failures ? 1 : 9;
}
