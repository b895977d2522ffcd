/* SPDX-License-Identifier: MIT */
/*
 * valued COUNT [THREADS]: calls work() so often in each thread, with values that follow from the call's number
 * I; prints on standard output, for each, what its event has to say: the arguments as a definition of
 * tests/system/language.c names them.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct thing {
	const char *name;
	double real;
	float small;
	unsigned int low : 3, high : 5;
	short row[4];
};

static volatile int secret = 4711;
int visible[3] = {1, -2, 3};
static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;
static int count;

double work(const struct thing *thing, double x, float y, int number, long a, long b, long c,
	    long d, long on_stack);

__attribute__((noinline)) double work(const struct thing *thing, double x, float y, int number,
				      long a, long b, long c, long d, long on_stack)
{
	__asm__ volatile(""
			 :
			 : "r"(thing), "r"(a), "r"(b), "r"(c), "r"(d), "r"(on_stack)
			 : "memory");
	return x * 2 + (double)y + number + secret;
}

static void *call(void *data)
{
	char name[32];

	for (int i = 0; i < count; i++) {
		struct thing thing = {name,  i / 4.0, (float)i / -8,
				      i % 8, i % 32,  {(short)i, 1, -2, 3}};
		double result;

		snprintf(name, sizeof(name), "thing \"%d\"", i);
		result = work(&thing, i + 0.5, (float)i, -i, 1, 2, 3, 4, i * 1000l);
		pthread_mutex_lock(&printing);
		printf("name=\"thing \\\"%d\\\"\" real=%g small=%g low=%d high=%d row={%d,1,-2,3} "
		       "x=%g y=%g n=%d last=%ld secret=4711 seen={1,-2,3} result=%g\n",
		       i, i / 4.0, (double)((float)i / -8), i % 8, i % 32, i, i + 0.5, (double)i,
		       -i, i * 1000l, result);
		pthread_mutex_unlock(&printing);
	}
	return data;
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[2]) : 1;
	pthread_t ids[64];

	count = argc > 1 ? atoi(argv[1]) : 1;
	for (int i = 0; i < threads; i++)
		pthread_create(&ids[i], NULL, call, NULL);
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	return 0;
}
