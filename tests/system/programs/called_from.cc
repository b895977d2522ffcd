// SPDX-License-Identifier: MIT
// Calls of one function, reached on ways whose number is known: "called_from [fork|threads|die|many]".
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

extern "C" NOINLINE void reached(long value)
{
	__asm__ volatile("" : : "r"(value) : "memory");
}

namespace ways
{
template <typename T> struct first {
	static NOINLINE void go(const T &value)
	{
		reached(static_cast<long>(value.size()));
		__asm__ volatile("");
	}
};

static NOINLINE void second(int depth)
{
	if (depth > 0)
		second(depth - 1);
	else
		reached(depth);
	__asm__ volatile("");
}
} // namespace ways

static NOINLINE void all()
{
	for (int i = 0; i < 30; i++)
		ways::first<std::string>::go("x");
	for (int i = 0; i < 12; i++)
		ways::second(3);
	__asm__ volatile("");
}

static void *in_thread(void *)
{
	for (int i = 0; i < 1000; i++)
		all();
	return nullptr;
}

static void run_threads()
{
	pthread_t threads[4];

	for (pthread_t &thread : threads)
		pthread_create(&thread, nullptr, in_thread, nullptr);
	for (pthread_t &thread : threads)
		pthread_join(thread, nullptr);
}

/* More different stacks than there are places: two calls at each of sixteen depths are 2^16. */
static NOINLINE void fan_out(int depth)
{
	if (depth == 0) {
		reached(0);
		return;
	}
	fan_out(depth - 1);
	__asm__ volatile("");
	fan_out(depth - 1);
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "fork") == 0) {
		pid_t child = fork();

		if (child > 0)
			waitpid(child, nullptr, 0);
	}
	if (strcmp(what, "threads") == 0)
		run_threads();
	else if (strcmp(what, "many") == 0)
		fan_out(16);
	else
		all();
	if (strcmp(what, "die") == 0)
		raise(SIGKILL);
	return 0;
}
