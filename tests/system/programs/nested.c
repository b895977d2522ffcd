/* SPDX-License-Identifier: MIT */
/*
 * Calls in one another, of which is known who makes which, in two threads: "nested [ROUNDS]". The second one has
 * a name, and gives a text, that no format likes.
 */
#include <pthread.h>
#include <stdlib.h>

#define NOINLINE __attribute__((noinline))

int leaf(int x);
int middle(const char *text, int count);
int fib(int n);
double half(double x);
int work(const char *text);

static int rounds = 2;

NOINLINE int leaf(int x)
{
	__asm__ volatile("");
	return x + 1;
}

NOINLINE int middle(const char *text, int count)
{
	int ret = text[0];

	for (int i = 0; i < count; i++)
		ret += leaf(i);
	__asm__ volatile("");
	return ret;
}

NOINLINE int fib(int n)
{
	int ret = n < 2 ? n : fib(n - 1) + fib(n - 2);

	__asm__ volatile("");
	return ret;
}

NOINLINE double half(double x)
{
	__asm__ volatile("");
	return x / 2;
}

NOINLINE int work(const char *text)
{
	int ret = middle(text, 2) + fib(3) + (int)half(5.5);

	ret += leaf(-7);
	__asm__ volatile("");
	return ret;
}

static void *run(void *text)
{
	if (*(const char *)text != 'p')
		pthread_setname_np(pthread_self(), "<\"&\\\033[m\n\xff';>");
	for (int i = 0; i < rounds; i++)
		work(text);
	return NULL;
}

int main(int argc, char **argv)
{
	static char hostile[] = "<\"'&]]>\\\033[31m\n\t\xff\xc2\x9b;--\xed\xa0\x80\xef\xbf\xbf";
	static char plain[] = "plain";
	pthread_t thread;

	if (argc > 1)
		rounds = atoi(argv[1]);
	run(plain);
	if (pthread_create(&thread, NULL, run, hostile))
		return 1;
	return pthread_join(thread, NULL);
}
