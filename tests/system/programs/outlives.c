/* SPDX-License-Identifier: MIT */
/*
 * "outlives DEPTH": a daemon, of so many forks, that calls target() 100 times after a while. Where there is
 * a process between it and the program, that has ended before the program does.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int target(int x);
int target(int x)
{
	__asm__ volatile("" ::: "memory");
	return x;
}

int main(int argc, char **argv)
{
	int depth = argc > 1 ? atoi(argv[1]) : 1;

	for (int i = 0; i < depth; i++) {
		pid_t child = fork();

		if (child) {
			if (i + 1 < depth)
				waitpid(child, NULL, 0);
			return 0;
		}
		setsid();
	}
	close(1);
	close(2);
	usleep(300000);
	for (int i = 0; i < 100; i++)
		target(i);
	return 0;
}
