/* SPDX-License-Identifier: MIT */
/*
 * Calls execve() and its relatives with what cannot be read, and says what they made of it; then
 * with much that can be. Executed by itself as "bad_executes count", it counts its environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PAGE  4096
#define MANY  100000
#define TIMES 300

extern char **environ;

static char self[4096];

int target(int x);
int target(int x)
{
	__asm__ volatile("" ::: "memory");
	return x;
}

/* The last bytes of a page with none behind it. */
static void *before_nothing(size_t size)
{
	char *pages =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(pages + PAGE, PAGE, PROT_NONE);
	return pages + PAGE - size;
}

static const char *all_ways(const char *path, char **argv, char **envp)
{
	pid_t pid;
	int fd = open(self, O_RDONLY | O_CLOEXEC), status;

	CHECK(execve(path, argv, envp) == -1 && errno == EFAULT);
	CHECK(execveat(AT_FDCWD, path, argv, envp, 0) == -1 && errno == EFAULT);
	if (path == self && argv && envp)
		CHECK(fexecve(fd, argv, envp) == -1 && errno == EFAULT);
	close(fd);
	pid = vfork();
	if (pid == 0) {
		execve(path, argv, envp);
		_exit(errno == EFAULT ? 3 : 4);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3);
	/* libc counts the arguments itself. */
	if (argv != (char **)8)
		CHECK(posix_spawn(&pid, path, NULL, NULL, argv, envp) == EFAULT);
	return "EFAULT";
}

static void refused(void)
{
	char *argv[] = {self, NULL}, *unreadable[] = {(char *)8, NULL};
	char *not_canonical[] = {(char *)(1ull << 62), NULL};
	char **no_end = before_nothing(2 * sizeof(char *)), **cut = before_nothing(4);
	char *text = before_nothing(11), *endless[] = {text, NULL};
	char **none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(text, "LD_PRELOAD=", 11);
	no_end[0] = no_end[1] = self;
	printf("envp %s\n", all_ways(self, argv, (char **)8));
	printf("envp's entry %s\n", all_ways(self, argv, unreadable));
	printf("envp's entry, not canonical %s\n", all_ways(self, argv, not_canonical));
	printf("envp without an end %s\n", all_ways(self, argv, no_end));
	printf("envp, half of an entry %s\n", all_ways(self, argv, cut));
	printf("a variable without an end %s\n", all_ways(self, argv, endless));
	printf("envp, protected %s\n", all_ways(self, argv, none));
	printf("envp of the kernel %s\n", all_ways(self, argv, (char **)-PAGE));
	printf("argv %s\n", all_ways(self, (char **)8, environ));
	printf("argv's entry %s\n", all_ways(self, unreadable, environ));
	printf("path %s\n", all_ways((char *)8, argv, environ));
	printf("path without an end %s\n", all_ways(text, argv, environ));
}

static void run(char **envp)
{
	char *argv[] = {self, (char *)"count", NULL};
	int status;
	pid_t pid;

	fflush(stdout);
	CHECK(posix_spawn(&pid, self, NULL, NULL, argv, envp) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* In memory that cannot be written to: not a byte of it may be changed. */
static void read_only(void)
{
	char **envp = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *text = (char *)&envp[8];

	strcpy(text, "LD_PRELOAD=");
	envp[0] = text;
	mprotect(envp, PAGE, PROT_READ);
	run(envp);
}

/* As many as the kernel takes: a quarter of the stack's limit, pointers included. */
static void huge(void)
{
	const struct rlimit large = {64 << 20, 64 << 20};
	char **envp = calloc(MANY + 1, sizeof(*envp)), *text = malloc(MANY * 12);

	CHECK(setrlimit(RLIMIT_STACK, &large) == 0);
	for (int i = 0; i < MANY; i++) {
		envp[i] = text + i * 12;
		sprintf(envp[i], "V%d=1", i);
	}
	run(envp);
	free(text);
	free(envp);
}

static size_t mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	size_t ret = 0;
	int c;

	while ((c = fgetc(file)) != EOF)
		ret += c == '\n';
	fclose(file);
	return ret;
}

static void one_child(const char *path)
{
	char *none[] = {NULL}, *argv[] = {(char *)"true", NULL};
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		execve(path, argv, none);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Children of vfork() share our memory: what is made in there must not pile up. */
static void many_children(void)
{
	size_t before = 0;

	for (int i = 0; i < TIMES; i++) {
		one_child(i % 2 ? "/bin/true" : "/etc/hostname");
		if (i == 10)
			before = mappings();
	}
	CHECK(mappings() <= before + 1);
}

int main(int argc, char **argv)
{
	size_t count = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	target(argc);
	if (argc > 1 && strcmp(argv[1], "count") == 0) {
		while (environ[count])
			count++;
		printf("%zu variables\n", count);
		return 0;
	}
	CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	refused();
	read_only();
	huge();
	many_children();
	return check_failures != 0;
}
