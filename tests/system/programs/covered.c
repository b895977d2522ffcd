/* SPDX-License-Identifier: MIT */
/* Branches of all kinds, some of which are taken: for coverage. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int never(int x)
{
	return x * 3;
}

static int choose(int x)
{
	switch (x) {
	case 0:
		return 5;
	case 1:
		puts("one");
		break;
	case 2:
		puts("two");
		/* fall through */
	case 3:
		puts("three");
		break;
	case 4:
		return 9;
	case 5:
		return 11;
	case 6:
		puts("six");
		return 3;
	default:
		return never(x);
	}
	return 1;
}

static int loop(int count)
{
	int sum = 0;

	for (int i = 0; i < count; i++) {
		if (i % 2)
			sum += i;
		else if (i > 1000)
			sum -= i;
	}
	return sum ? sum : -1;
}

static int in_child(int x)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(x > 3 ? 1 : 2);
	waitpid(pid, &status, 0);
	return status;
}

static int count;

static void once(void)
{
	count++;
}

static void *run(void *data)
{
	for (int i = 0; i < 1000; i++)
		once();
	return data;
}

static void in_threads(void)
{
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, run, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "threads") == 0)
			in_threads();
		else if (strcmp(argv[i], "fork") == 0)
			printf("%d\n", in_child(i));
		else if (strcmp(argv[i], "loop") == 0)
			printf("%d\n", loop(10));
		else
			printf("%d\n", choose(atoi(argv[i])));
	}
	return 0;
}
