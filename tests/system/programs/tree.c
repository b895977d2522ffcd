/* SPDX-License-Identifier: MIT */
/* Calls within calls, which end in all the ways that there are: "tree plain|jump|exit|threads|forks". */
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void leaf(void), branch(int more), jumper(void), leaver(void);
void *thread(void *argument);

static volatile int count;
static jmp_buf back;

void leaf(void)
{
	count++;
}

void branch(int more)
{
	leaf();
	if (more)
		branch(more - 1);
	count++;
}

void jumper(void)
{
	leaf();
	longjmp(back, 1);
}

void leaver(void)
{
	leaf();
	exit(3);
}

void *thread(void *argument)
{
	branch(1);
	return argument;
}

static void jump(void)
{
	if (!setjmp(back))
		jumper();
	branch(0);
}

static void start_threads(void)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, thread, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static void start_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		branch(1);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "plain";

	branch(1);
	if (strcmp(what, "jump") == 0)
		jump();
	else if (strcmp(what, "exit") == 0)
		leaver();
	else if (strcmp(what, "threads") == 0)
		start_threads();
	else if (strcmp(what, "forks") == 0)
		start_child();
	puts("done");
	return 0;
}
