/* SPDX-License-Identifier: MIT */
/*
 * Threads whose thread area libc has not made: with nothing below it, with something else there, or
 * without any. target() is called in each; "target N" at the end is how often.
 */
#include <asm/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

enum { PAGE = 4096, CALLS = 100 };

static long expected;
static atomic_long done;
static char stack[65536];

void target(void);

__attribute__((noinline)) void target(void)
{
	__asm__ volatile("lea (%%rdi), %%rdi; lea (%%rsi), %%rsi" : : "m"(expected));
}

static long ask(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

static long (*volatile absolute)(long) = labs;
static size_t (*volatile length)(const char *) = strlen;
static long (*volatile call)(long, ...) = syscall;

/* Nothing that needs an area of libc's, with a guarded system call among it. */
static void work(void)
{
	uint64_t all = ~0ul, old;

	for (int i = 0; i < CALLS; i++)
		target();
	if (absolute(-3) == 3 && length("four") == 4 &&
	    call(SYS_rt_sigprocmask, SIG_BLOCK, &all, &old, sizeof(all)) == 0 &&
	    call(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old)) == 0)
		done++;
}

static int run_thread(void *arg)
{
	(void)arg;
	work();
	for (;;)
		ask(SYS_exit, 0, 0, 0, 0);
	return 0;
}

static void start_with(void *area)
{
	long before = done;

	clone(run_thread, stack + sizeof(stack),
	      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS, NULL,
	      NULL, area, NULL);
	for (int i = 0; i < 5000 && done == before; i++)
		usleep(1000);
	CHECK(done == before + 1);
	expected += CALLS;
	usleep(2000);
}

/* The main thread, for a while. */
static void work_with(void *area)
{
	long own, before = done;

	CHECK(ask(SYS_arch_prctl, ARCH_GET_FS, (long)&own, 0, 0) == 0);
	ask(SYS_arch_prctl, ARCH_SET_FS, (long)area, 0, 0);
	work();
	ask(SYS_arch_prctl, ARCH_SET_FS, own, 0, 0);
	CHECK(done == before + 1);
	expected += CALLS;
}

/* The middle of three pages; the others cannot be touched. */
static char *make_page(void)
{
	char *memory = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	CHECK(mprotect(memory + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	((void **)(void *)(memory + PAGE))[0] = memory + PAGE;
	((void **)(void *)(memory + PAGE))[2] = memory + PAGE;
	return memory + PAGE;
}

static void page(void)
{
	start_with(make_page());
	start_with(make_page());
}

static void switched(void)
{
	for (int i = 0; i < 10; i++)
		work_with(make_page());
}

static void none(void)
{
	start_with(NULL);
	work_with(NULL);
}

/* What lies below the thread pointer points to memory of ours. */
static void others_data(void)
{
	static char canary[65536];
	static void *data[4 * PAGE / sizeof(void *)];
	const size_t middle = 2 * PAGE / sizeof(void *);

	for (size_t i = 0; i < 2 * middle; i++)
		data[i] = canary + sizeof(canary) / 2;
	data[middle] = data[middle + 2] = &data[middle];
	start_with(&data[middle]);
	work_with(&data[middle]);
	for (size_t i = 0; i < sizeof(canary); i++)
		CHECK(canary[i] == 0);
	for (size_t i = 0; i < 2 * middle; i++)
		CHECK(i == middle || i == middle + 2 || data[i] == canary + sizeof(canary) / 2);
}

static void zeros(void)
{
	static char zero[4 * PAGE];

	start_with(zero + 2 * PAGE);
	work_with(zero + 2 * PAGE);
	for (size_t i = 0; i < sizeof(zero); i++)
		CHECK(zero[i] == 0);
}

/* The area goes while the thread runs on, as in its last instructions. */
static void unmapped(void)
{
	char *area = make_page();
	long own, before = done;

	CHECK(ask(SYS_arch_prctl, ARCH_GET_FS, (long)&own, 0, 0) == 0);
	ask(SYS_arch_prctl, ARCH_SET_FS, (long)area, 0, 0);
	work();
	ask(SYS_munmap, (long)area - PAGE, 3 * PAGE, 0, 0);
	work();
	ask(SYS_arch_prctl, ARCH_SET_FS, own, 0, 0);
	work();
	CHECK(done == before + 3);
	expected += 3 * CALLS;
}

static const struct check_case cases[] = {
	{"page", page},	  {"switched", switched}, {"none", none}, {"others_data", others_data},
	{"zeros", zeros}, {"unmapped", unmapped}, {NULL, NULL},
};

static void print_count(void)
{
	printf("target %ld\n", expected);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		atexit(print_count);
	return check_main(argc, argv, cases);
}
