/* SPDX-License-Identifier: MIT */
/*
 * Executes the next word as a program, in one way or another: "executes WAY PROGRAM [ARG...]".
 * target() is called once by whoever says "ran"; also built for other libcs.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int target(int x);
int target(int x)
{
	__asm__ volatile("" ::: "memory");
	return x;
}

extern char **environ;

static int wait_for(pid_t pid)
{
	int status = 1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int spawn(char **argv, char **envp)
{
	pid_t pid;

	return posix_spawn(&pid, argv[0], NULL, NULL, argv, envp) ? 1 : wait_for(pid);
}

static int in_child_of_vfork(char **argv, char **envp)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execve(argv[0], argv, envp);
		_exit(9);
	}
	return wait_for(pid);
}

static int by_descriptor(char **argv, char **envp, int is_unlinked)
{
	int fd = open(argv[0], O_RDONLY | O_CLOEXEC);

	if (is_unlinked)
		unlink(argv[0]);
	fexecve(fd, argv, envp);
	return 9;
}

#ifdef __GLIBC__
static int from_memory(char **argv, char **envp)
{
	int from = open(argv[0], O_RDONLY | O_CLOEXEC), fd = memfd_create("copied", MFD_CLOEXEC);
	char buffer[4096];
	ssize_t size;

	while ((size = read(from, buffer, sizeof(buffer))) > 0)
		if (write(fd, buffer, (size_t)size) != size)
			return 9;
	fexecve(fd, argv, envp);
	return 9;
}
#else
#define from_memory(argv, envp) 9
#endif

static int print(int with_environment)
{
	target(1);
	printf("ran\n");
	for (char **at = environ; with_environment && *at; at++)
		printf("%s\n", *at);
	return 0;
}

int main(int argc, char **argv)
{
	char *none[] = {NULL}, *other[] = {(char *)"LD_PRELOAD=/no/such.so", (char *)"A=1", NULL};
	char *emptied[] = {(char *)"LD_PRELOAD=", NULL};
	const char *way = argc > 1 ? argv[1] : "print";

	if (strcmp(way, "print") == 0 || strcmp(way, "environment") == 0)
		return print(way[0] == 'e');
	argv += 2;
	if (strcmp(way, "inherit") == 0)
		execv(argv[0], argv);
	else if (strcmp(way, "null") == 0)
		execve(argv[0], argv, NULL);
#ifdef __GLIBC__ /* whose syscall() is probed */
	else if (strcmp(way, "raw") == 0)
		syscall(SYS_execve, argv[0], argv, none);
	else if (strcmp(way, "raw-at") == 0)
		syscall(SYS_execveat, AT_FDCWD, argv[0], argv, none, 0);
#endif
	else if (strcmp(way, "none") == 0)
		execve(argv[0], argv, none);
	else if (strcmp(way, "other") == 0)
		execve(argv[0], argv, other);
	else if (strcmp(way, "emptied") == 0)
		execve(argv[0], argv, emptied);
	else if (strcmp(way, "spawn") == 0)
		return spawn(argv, none);
	else if (strcmp(way, "vfork") == 0)
		return in_child_of_vfork(argv, none) + in_child_of_vfork(argv, none);
	else if (strcmp(way, "file") == 0 || strcmp(way, "unlinked") == 0)
		return by_descriptor(argv, none, way[0] == 'u');
	else if (strcmp(way, "memory") == 0)
		return from_memory(argv, none);
	return 9;
}
