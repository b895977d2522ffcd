/* SPDX-License-Identifier: MIT */
// Calls of which it knows what is to be said: it prints the events of each, in the order of their ends,
// as emuprobe does, but for what stands in front of the event's name.
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
uint64_t factorial(unsigned n);
int outer(int n);
int inner(int n);
int64_t six(int a, long b, short c, signed char d, unsigned e, uint64_t f);
void thrower(int depth);
int catcher(int depth);
void jumper(int depth);
int landing(int depth);
void who(void);
int load_plugin(const char *name, const char *event);
uint64_t naps(unsigned microseconds);
int splits(int n);
void forks(void);
void leaves(int n);
int vforks();
long waits(long depth);
}

/* So that the compiler leaves no call out, and makes no jump of one. */
static inline __attribute__((always_inline)) void stay(void)
{
	__asm__ volatile("" : : : "memory");
}

/* ---- what returns -------------------------------------------------------------------------- */

uint64_t factorial(unsigned n)
{
	stay();
	return n ? n * factorial(n - 1) : 1;
}

int inner(int n)
{
	stay();
	return -n;
}

int outer(int n)
{
	stay();
	return inner(n) + inner(n + 1);
}

static void print_nested(int n)
{
	printf("inner: (calls:inner) n=%d r=%d\n", n, -n);
	printf("inner: (calls:inner) n=%d r=%d\n", n + 1, -n - 1);
	printf("outer: (calls:outer) n=%d r=%d\n", n, -2 * n - 1);
}

/* When it returns, none of the registers has its argument any more. */
int64_t six(int a, long b, short c, signed char d, unsigned e, uint64_t f)
{
	int64_t ret = a + b + c + d + static_cast<int64_t>(e) + static_cast<int64_t>(f);

	__asm__ volatile("xor %%edi, %%edi; xor %%esi, %%esi; xor %%edx, %%edx; xor %%ecx, %%ecx; "
			 "xor %%r8d, %%r8d; xor %%r9d, %%r9d"
			 :
			 :
			 : "rdi", "rsi", "rdx", "rcx", "r8", "r9");
	return ret;
}

static void print_six(int a, long b, short c, signed char d, unsigned e, uint64_t f)
{
	printf("six: (calls:six) a=%d b=%ld c=%d d=%d e=%u f=%#lx r=%ld\n", a, b, c, d, e, f,
	       six(a, b, c, d, e, f));
}

static void opens(const char *path, int flags)
{
	int fd = open(path, flags);

	printf("open: (libc.so.6:open) path=%p flags=0x%x fd=%d\n", static_cast<const void *>(path),
	       static_cast<unsigned>(flags), fd);
	if (fd >= 0)
		close(fd);
}

static void values(void)
{
	uint64_t product = 1;

	factorial(20);
	for (unsigned n = 0; n <= 20; product *= ++n)
		printf("factorial: (calls:factorial) n=%u r=%lu\n", n, product);
	outer(5);
	print_nested(5);
	outer(-7);
	print_nested(-7);
	print_six(-1, -2000000000000, -3, -4, 4000000000u, 6);
	print_six(1, 2, 3, 4, 5, 0x8000000000000000u);
	opens("/dev/null", O_RDONLY);
	opens("/no/such/file", O_WRONLY | O_CLOEXEC);
}

/* ---- what does not ------------------------------------------------------------------------- */

void thrower(int depth)
{
	if (depth == 0)
		throw depth;
	thrower(depth - 1);
	stay();
}

int catcher(int depth)
{
	try {
		thrower(depth);
	} catch (int caught) {
		return 100 + caught;
	}
	return -1;
}

static jmp_buf back;
static volatile int never;

void jumper(int depth)
{
	if (depth <= 0)
		longjmp(back, 7);
	if (never)
		return;
	jumper(depth - 1);
	stay();
}

int landing(int depth)
{
	int ret = setjmp(back);

	if (ret == 0)
		jumper(depth);
	return ret;
}

/* What was left by a jump is noticed when its stack is used for something else. */
static void use_stack(void)
{
	volatile char bytes[16384];

	for (volatile char &byte : bytes)
		byte = 0;
}

static void ends(void)
{
	for (int depth = 0; depth < 4; depth++) {
		catcher(depth);
		for (int i = 0; i <= depth; i++)
			printf("thrower: (calls:thrower) depth=%d r=- <- unwind\n", i);
		printf("catcher: (calls:catcher) depth=%d r=100\n", depth);
		landing(depth);
		for (int i = 0; i <= depth; i++)
			printf("jumper: (calls:jumper) depth=%d r=- <- jump\n", i);
		printf("landing: (calls:landing) depth=%d r=7\n", depth);
		use_stack();
		factorial(0);
		printf("factorial: (calls:factorial) n=0 r=1\n");
	}
}

/* ---- who called ---------------------------------------------------------------------------- */

void who(void)
{
	stay();
}

static void callers(void)
{
	uintptr_t first, second;

	__asm__ volatile("call who; 1: leaq 1b(%%rip), %0"
			 : "=r"(first)
			 :
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
	__asm__ volatile("call who; 1: leaq 1b(%%rip), %0"
			 : "=r"(second)
			 :
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
	printf("who: (calls:who) c=%#lx\nwho: (calls:who) c=%#lx\n", first, second);
}

/* What is called in a plugin is called by it, but for once; each may be where the other one was. */
int load_plugin(const char *name, const char *event)
{
	char path[4096];
	ssize_t size = readlink("/proc/self/exe", path, 4000);
	void *handle;

	path[size < 0 ? 0 : size] = '\0';
	strcpy(strrchr(path, '/') + 1, name);
	handle = dlopen(path, RTLD_NOW);
	printf("%s: (%s:plugin_target) n=1 c=%s:construct\n", event, name, name);
	reinterpret_cast<long (*)(long)>(dlsym(handle, "plugin_target"))(7);
	printf("%s: (%s:plugin_target) n=7 c=calls:load_plugin\n", event, name);
	if (strcmp(name, "plugin.so") == 0)
		printf("%s: (%s:plugin_target) n=2 c=%s:destruct\n", event, name, name);
	return dlclose(handle);
}

static void loads(void)
{
	for (int i = 0; i < 3; i++) {
		load_plugin("plugin.so", "one");
		load_plugin("plugin_twin.so", "two");
	}
}

/* ---- how long ------------------------------------------------------------------------------ */

static uint64_t now(void)
{
	struct timespec ret;

	clock_gettime(CLOCK_MONOTONIC, &ret);
	return static_cast<uint64_t>(ret.tv_sec) * 1000000000 + static_cast<uint64_t>(ret.tv_nsec);
}

uint64_t naps(unsigned microseconds)
{
	uint64_t start = now();

	usleep(microseconds);
	return now() - start;
}

/* Nanoseconds that a call takes at least, as it returns, and at most. */
static void times(void)
{
	for (unsigned microseconds = 1; microseconds < 100000; microseconds *= 10) {
		uint64_t start = now(), least = naps(microseconds);

		printf("%lu %lu\n", least, now() - start);
	}
}

/* ---- threads and processes ----------------------------------------------------------------- */

static void *work(void *data)
{
	for (int i = 0; i < 100; i++) {
		factorial(3);
		catcher(1);
	}
	return data;
}

static void threads(void)
{
	pthread_t all[4];

	for (pthread_t &thread : all)
		pthread_create(&thread, NULL, work, NULL);
	for (pthread_t &thread : all)
		pthread_join(thread, NULL);
}

int splits(int n)
{
	return n + fork();
}

void forks(void)
{
	int result = splits(1);

	if (result == 1)
		_exit(0);
	waitpid(result - 1, NULL, 0);
	printf("splits: (calls:splits) n=1 r=1 c=calls:forks\n");
	printf("splits: (calls:splits) n=1 r=%d c=calls:forks\n", result);
}

void leaves(int n)
{
	if (n <= 0)
		exit(0);
	if (never)
		return;
	leaves(n - 1);
	stay();
}

int vforks()
{
	int status = 0;
	pid_t child = vfork();

	if (child == 0)
		_exit(7);
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

/* For a debugger to come, in a call that is guarded. */
long waits(long depth)
{
	if (depth == 0) {
		printf("ready\n");
		fflush(stdout);
		syscall(SYS_pause);
	}
	depth = depth > 0 ? waits(depth - 1) : 0;
	stay();
	return depth;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {
		{"values", values}, {"ends", ends},	  {"callers", callers}, {"loads", loads},
		{"times", times},   {"threads", threads}, {"forks", forks},
	};

	for (const auto &part : parts)
		if (argc == 2 && strcmp(argv[1], part.name) == 0) {
			part.run();
			return 0;
		}
	if (argc == 2 && strcmp(argv[1], "leaves") == 0)
		leaves(2);
	if (argc == 2 && strcmp(argv[1], "waits") == 0)
		return (int)waits(50);
	if (argc == 2 && strcmp(argv[1], "vforks") == 0)
		return vforks() == 7 ? 0 : 2;
	return 1;
}
