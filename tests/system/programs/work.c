/* SPDX-License-Identifier: MIT */
/*
 * work COMMAND...: each command is one thing that a test wants to see.
 *
 *	call N		call target(1, -2, 'c') .. N times
 *	print TEXT	write TEXT to standard output
 *	fork N		fork a child that calls N times and exits; wait
 *	rawfork N	the same by the bare system call
 *	vfork		vfork a child that ends with _exit(); wait
 *	exec N		fork; the child executes "work call N"; wait
 *	threads T N	T threads that call N times each
 *	kill SIG	raise SIG
 *	exit N		exit(N)
 *	_exit N		_exit(N)
 *	closeall	close every descriptor above 2
 *	close2		close standard error
 *	name TEXT	set the thread's name
 *	descriptors	print how many descriptors are open
 *	environment	print the variables that have to do with us
 *	sleep MS
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static const char *self;

uint64_t target(uint64_t number, int64_t negative, char letter);
void never_called(void);

__attribute__((noinline)) uint64_t target(uint64_t number, int64_t negative, char letter)
{
	__asm__ volatile("");
	return number + (uint64_t)negative + (unsigned char)letter;
}

__attribute__((noinline)) void never_called(void)
{
	__asm__ volatile("");
}

__attribute__((constructor)) static void early(void)
{
	target(0, 0, 'e');
}

static void call(long count)
{
	for (long i = 1; i <= count; i++)
		target((uint64_t)i, -2, 'c');
}

static void *thread(void *count)
{
	call((long)(intptr_t)count);
	return NULL;
}

static void run_threads(long count, long calls)
{
	pthread_t threads[256];

	for (long i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, thread, (void *)(intptr_t)calls);
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void fork_and(long calls, long number)
{
	pid_t pid = number ? (pid_t)syscall(number) : fork();

	if (pid == 0) {
		call(calls);
		if (number)
			_exit(0);
		exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void vfork_once(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(7);
	waitpid(pid, NULL, 0);
}

static void execute(const char *count)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(self, self, "call", count, (char *)NULL);
		_exit(99);
	}
	waitpid(pid, NULL, 0);
}

static void count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = -3; /* ".", ".." and the folder itself */

	while (readdir(folder))
		count++;
	closedir(folder);
	printf("descriptors %d\n", count);
}

static void print_environment(void)
{
	for (char **entry = environ; *entry; entry++)
		if (strncmp(*entry, "EMUPROBE", 8) == 0 || strncmp(*entry, "LD_PRELOAD", 10) == 0)
			puts(*entry);
}

/* Returns how many words of @argv it took. */
static int run(char **argv)
{
	const char *command = argv[0], *text = argv[1] ? argv[1] : "";
	long number = atol(text);

	if (strcmp(command, "call") == 0)
		return call(number), 2;
	if (strcmp(command, "print") == 0)
		return puts(text), fflush(stdout), 2;
	if (strcmp(command, "fork") == 0)
		return fork_and(number, 0), 2;
	if (strcmp(command, "rawfork") == 0)
		return fork_and(number, SYS_fork), 2;
	if (strcmp(command, "vfork") == 0)
		return vfork_once(), 1;
	if (strcmp(command, "exec") == 0)
		return execute(text), 2;
	if (strcmp(command, "threads") == 0)
		return run_threads(number, atol(argv[2])), 3;
	if (strcmp(command, "kill") == 0)
		return raise((int)number), 2;
	if (strcmp(command, "exit") == 0)
		exit((int)number);
	if (strcmp(command, "_exit") == 0)
		_exit((int)number);
	if (strcmp(command, "closeall") == 0)
		return closefrom(3), 1;
	if (strcmp(command, "close2") == 0)
		return close(2), 1;
	if (strcmp(command, "name") == 0)
		return prctl(PR_SET_NAME, text), 2;
	if (strcmp(command, "descriptors") == 0)
		return count_descriptors(), 1;
	if (strcmp(command, "environment") == 0)
		return print_environment(), 1;
	if (strcmp(command, "sleep") == 0)
		return usleep((useconds_t)number * 1000), 2;
	fprintf(stderr, "work: %s: no such command\n", command);
	exit(98);
}

int main(int argc, char **argv)
{
	self = argv[0];
	for (int at = 1; at < argc;)
		at += run(argv + at);
	return 0;
}
