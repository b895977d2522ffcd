/* SPDX-License-Identifier: MIT */
/*
 * Prints how far below its stack pointer each of four things writes: reaching target(), a system
 * call that is guarded, a signal, and one that is always handled by the engine first.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int calls;
static ucontext_t home, one;
static char memory[65536];

void target(void);

__attribute__((noinline)) void target(void)
{
	calls++;
}

/* More than what is called before it: what counts is how deep it begins. */
static void on_signal(int sig)
{
	volatile char room[2048];

	room[0] = (char)sig;
	(void)room;
}

static void ask(void)
{
	uint64_t set = 0;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &set, NULL, sizeof(set));
}

static void send(void)
{
	syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
}

static void send_owned(void)
{
	syscall(SYS_tgkill, getpid(), getpid(), SIGFPE);
}

static void (*what)(void);
static const char *waited_at;
static long depth_used;

/* Twice: what is bound lazily is bound by then. Nothing else is called before it is looked at. */
static void run_painted(void)
{
	long low = 0;

	what();
	swapcontext(&one, &home);
	what();
	while (memory[low] == 0x5a)
		low++;
	depth_used = waited_at - memory - low;
}

/* Below the stack pointer at which run_painted() waits. */
static long measure(void (*run)(void))
{
	what = run;
	getcontext(&one);
	one.uc_stack = (stack_t){.ss_sp = memory, .ss_size = sizeof(memory)};
	one.uc_link = &home;
	makecontext(&one, run_painted, 0);
	swapcontext(&home, &one);
	waited_at = (const char *)one.uc_mcontext.gregs[REG_RSP];
	memset(memory, 0x5a, (size_t)(waited_at - memory));
	swapcontext(&home, &one);
	return depth_used;
}

int main(void)
{
	signal(SIGUSR1, on_signal);
	signal(SIGFPE, on_signal);
	printf("hit %ld call %ld signal %ld owned %ld\n", measure(target), measure(ask),
	       measure(send), measure(send_owned));
	return 0;
}
