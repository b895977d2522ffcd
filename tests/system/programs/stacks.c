/* SPDX-License-Identifier: MIT */
/* Programs with little stack, and with opinions about their alternate one. */
#include <alloca.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"

static volatile int calls;
static int status;

static long (*volatile absolute)(long) = labs; /* a probe in libc */

void target(void);

__attribute__((noinline)) void target(void)
{
	calls += (int)absolute(-1);
}

/* ---- little of it ------------------------------------------------------------------------------ */

enum { BELOW = 32768, COROUTINE = 1024 };

static ucontext_t home, one;
static char memory[2 * BELOW];

static void call_and_swap(void)
{
	for (int i = 0; i < 10; i++) {
		target();
		swapcontext(&one, &home);
	}
}

static void coroutine(void)
{
	volatile int low = BELOW;

	memset(memory, 0x5a, sizeof(memory));
	getcontext(&one);
	one.uc_stack = (stack_t){.ss_sp = memory + BELOW, .ss_size = COROUTINE};
	one.uc_link = &home;
	makecontext(&one, call_and_swap, 0);
	for (int i = 0; i < 11; i++)
		swapcontext(&home, &one);
	while (low > 0 && memory[low - 1] == 0x5a)
		low--;
	CHECK(low == 0);
	CHECK(calls == 10);
}

/* Touches @size bytes, and reaches target() below them. */
static void use(size_t size)
{
	volatile char *room = alloca(size);

	for (size_t i = 0; i < size; i += 256)
		room[i] = 1;
	target();
	CHECK(room[0] == 1);
}

static void *use_most(void *arg)
{
	use(11000);
	return arg;
}

static void thread(void)
{
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	CHECK(pthread_attr_setstacksize(&attr, 16384) == 0);
	for (int i = 0; i < 20; i++) {
		CHECK(pthread_create(&id, &attr, use_most, NULL) == 0);
		pthread_join(id, NULL);
	}
	CHECK(calls == 20);
}

/* In a process without the unwinder pthread_exit() loads it, on what is left of the stack. */
static void *exit_thread(void *arg)
{
	target();
	pthread_exit(arg);
}

static void of_a_thread_that_loads(void)
{
	const size_t size = (size_t)PTHREAD_STACK_MIN;
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	CHECK(pthread_attr_setstacksize(&attr, size) == 0);
	CHECK(pthread_create(&id, &attr, exit_thread, NULL) == 0);
	pthread_join(id, NULL);
	CHECK(calls == 1);
}

/* ---- an alternate one ---------------------------------------------------------------------------- */

/* @size bytes, with nothing below. */
static stack_t make_stack(size_t size)
{
	size_t room = (size + 8191) & -4096ul;
	char *start = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(start != MAP_FAILED);
	mprotect(start, 4096, PROT_NONE);
	return (stack_t){.ss_sp = start + room - size, .ss_size = size};
}

static stack_t made;
static size_t used;

static bool is_on(const stack_t *stack, const volatile void *at)
{
	return (uintptr_t)at - (uintptr_t)stack->ss_sp < stack->ss_size;
}

static void on_signal(int sig)
{
	(void)sig;
	CHECK(is_on(&made, __builtin_frame_address(0)));
	use(used);
}

static void handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	CHECK(sigaction(sig, &action, NULL) == 0);
}

/* As large as it has to be, and hardly more. */
static void nearly_full(void)
{
	used = 6400;
	made = make_stack((size_t)sysconf(_SC_MINSIGSTKSZ) + used + 768);
	CHECK(sigaltstack(&made, NULL) == 0);
	handle(SIGUSR1, on_signal, SA_ONSTACK);
	for (int i = 0; i < 3; i++)
		raise(SIGUSR1);
	CHECK(calls == 3);
}

static volatile int faults;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	CHECK(sig == SIGSEGV && info->si_code == SI_KERNEL && !info->si_addr);
	faults++;
	target();
}

/* The kernel finds no room for a frame, and says so: by a signal that has a stack. */
static void unwritable(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	used = 64;
	made = make_stack(16384);
	CHECK(sigaltstack(&made, NULL) == 0);
	handle(SIGUSR1, on_signal, SA_ONSTACK);
	CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
	CHECK(mprotect(made.ss_sp, made.ss_size, PROT_READ) == 0);
	raise(SIGUSR1);
	CHECK(faults == 1 && calls == 1);
	CHECK(mprotect(made.ss_sp, made.ss_size, PROT_READ | PROT_WRITE) == 0);
	raise(SIGUSR1);
	CHECK(faults == 1 && calls == 2);
}

static void with_little_left(void)
{
	used = 64;
	made = make_stack(16384);
	CHECK(sigaltstack(&made, NULL) == 0);
	handle(SIGUSR1, on_signal, SA_ONSTACK);
	coroutine();
	raise(SIGUSR1);
	CHECK(calls == 11);
}

static bool same(const stack_t *a, const stack_t *b)
{
	return a->ss_sp == b->ss_sp && a->ss_size == b->ss_size && a->ss_flags == b->ss_flags;
}

static const ucontext_t *shown;

static void look(int sig, siginfo_t *info, void *context)
{
	stack_t now;

	(void)sig;
	(void)info;
	shown = context;
	CHECK(is_on(&made, __builtin_frame_address(0)));
	CHECK(is_on(&made, context) && is_on(&made, info));
	CHECK(shown->uc_stack.ss_sp == made.ss_sp && shown->uc_stack.ss_size == made.ss_size);
	CHECK(sigaltstack(NULL, &now) == 0 && now.ss_flags == SS_ONSTACK);
	CHECK(sigaltstack(&made, NULL) == -1 && errno == EPERM);
	target();
}

static void is_what_was_set(void)
{
	struct sigaction action = {.sa_sigaction = look, .sa_flags = SA_ONSTACK | SA_SIGINFO};
	const stack_t little = {.ss_sp = memory, .ss_size = 2047},
		      wrong = {.ss_sp = memory, .ss_size = 65536, .ss_flags = 4},
		      none = {.ss_flags = SS_DISABLE};
	stack_t now = {.ss_sp = memory};

	CHECK(sigaltstack(NULL, &now) == 0 && now.ss_flags == SS_DISABLE && !now.ss_sp);
	CHECK(sigaltstack(&little, NULL) == -1 && errno == ENOMEM);
	CHECK(sigaltstack(&wrong, NULL) == -1 && errno == EINVAL);
	CHECK(sigaltstack((void *)16, NULL) == -1 && errno == EFAULT);
	CHECK(sigaltstack(NULL, (void *)16) == -1 && errno == EFAULT);
	made = make_stack(32768);
	CHECK(sigaltstack(&made, &now) == 0 && now.ss_flags == SS_DISABLE);
	CHECK(sigaltstack(NULL, &now) == 0 && same(&now, &made));
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	raise(SIGUSR1);
	raise(SIGTRAP);
	__asm__ volatile("int3");
	CHECK(sigaltstack(NULL, &now) == 0 && same(&now, &made));
	CHECK(sigaltstack(&none, &now) == 0 && same(&now, &made));
	CHECK(sigaltstack(NULL, &now) == 0 && now.ss_flags == SS_DISABLE && now.ss_size == 0);
	CHECK(calls == 3);
}

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

static void disarmed(int sig, siginfo_t *info, void *context)
{
	stack_t other = make_stack(16384), now;

	(void)info;
	CHECK(is_on(&made, __builtin_frame_address(0)));
	CHECK(((ucontext_t *)context)->uc_stack.ss_sp == made.ss_sp);
	CHECK(sigaltstack(NULL, &now) == 0 && now.ss_flags == SS_DISABLE);
	if (sig == SIGUSR1)
		CHECK(sigaltstack(&other, NULL) == 0); /* until the handler returns */
	target();
}

static void disarms_itself(void)
{
	struct sigaction action = {.sa_sigaction = disarmed, .sa_flags = SA_ONSTACK | SA_SIGINFO};
	stack_t now;

	made = make_stack(32768);
	made.ss_flags = (int)SS_AUTODISARM;
	CHECK(sigaltstack(&made, NULL) == 0);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	for (int i = 0; i < 3; i++) {
		raise(SIGUSR1);
		target();
		raise(SIGUSR2);
		CHECK(sigaltstack(NULL, &now) == 0 && same(&now, &made));
	}
	CHECK(calls == 9);
}

static void change_shown(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	((ucontext_t *)context)->uc_stack = made;
}

/* rt_sigreturn() sets what the frame shows. */
static void is_set_by_a_frame(void)
{
	struct sigaction action = {.sa_sigaction = change_shown, .sa_flags = SA_SIGINFO};
	stack_t now;

	made = make_stack(32768);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	target();
	CHECK(sigaltstack(NULL, &now) == 0 && same(&now, &made));
}

static char *here;

static void on_same(int sig)
{
	char *frame = __builtin_frame_address(0);

	(void)sig;
	CHECK(frame < here && here - frame < 65536);
	target();
}

static void is_not_used_unasked(void)
{
	here = __builtin_frame_address(0);
	handle(SIGUSR1, on_same, SA_ONSTACK); /* but there is none */
	raise(SIGUSR1);
	made = make_stack(32768);
	CHECK(sigaltstack(&made, NULL) == 0);
	handle(SIGUSR1, on_same, 0);
	handle(SIGSEGV, on_same, SA_RESETHAND);
	raise(SIGUSR1);
	raise(SIGSEGV);
	CHECK(calls == 3);
}

static void on_nothing(int sig)
{
	(void)sig;
}

/* One that is set, and gone: nobody minds, unless a signal wants it. */
static void may_be_gone(void)
{
	int gone;

	made = make_stack(32768);
	CHECK(sigaltstack(&made, NULL) == 0);
	munmap((char *)made.ss_sp, made.ss_size);
	target();
	if (vfork() == 0) {
		target();
		_exit(0);
	}
	wait(&gone);
	CHECK(gone == 0);
	handle(SIGUSR1, on_nothing, 0);
	raise(SIGUSR1);
	target();
	CHECK(calls == 3);
}

/* ---- the end of one -------------------------------------------------------------------------------- */

static sigjmp_buf out;
static volatile int depth;

static void leave(int sig)
{
	CHECK(is_on(&made, __builtin_frame_address(0)));
	siglongjmp(out, sig);
}

__attribute__((noinline)) static int recurse(int level)
{
	volatile char room[4096];

	room[0] = (char)level;
	depth = level;
	return depth < 0 ? room[0] : recurse(level + 1) + room[0];
}

static void *overflow(void *arg)
{
	target();
	if (sigsetjmp(out, 1) == 0)
		recurse(0);
	target();
	return arg;
}

static void *overflow_on_stack(void *arg)
{
	CHECK(sigaltstack(&made, NULL) == 0);
	overflow(arg);
	return overflow(arg);
}

static void overflows_are_survived(void)
{
	pthread_t id;

	made = make_stack(32768);
	handle(SIGSEGV, leave, SA_ONSTACK);
	CHECK(pthread_create(&id, NULL, overflow_on_stack, NULL) == 0);
	pthread_join(id, NULL);
	CHECK(calls == 4);
}

static int status_of(void (*run)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		run();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void overflow_without(void)
{
	pthread_t id;

	handle(SIGSEGV, leave, SA_ONSTACK);
	pthread_create(&id, NULL, overflow, NULL);
	pthread_join(id, NULL);
}

static void send_again(int sig)
{
	(void)sig;
	if (++depth < 100)
		raise(SIGUSR1);
}

static void nest_too_deep(void)
{
	made = make_stack((size_t)sysconf(_SC_MINSIGSTKSZ) * 3);
	sigaltstack(&made, NULL);
	handle(SIGUSR1, send_again, SA_ONSTACK | SA_NODEFER);
	raise(SIGUSR1);
}

static void overflows_kill(void)
{
	CHECK(WTERMSIG(status_of(overflow_without)) == SIGSEGV);
	CHECK(WTERMSIG(status_of(nest_too_deep)) == SIGSEGV);
}

/* ---- whose it is ------------------------------------------------------------------------------------- */

static void *look_in_thread(void *arg)
{
	stack_t now;

	CHECK(sigaltstack(NULL, &now) == 0 && now.ss_flags == SS_DISABLE);
	target();
	return arg;
}

static void is_each_threads_own(void)
{
	stack_t now;
	pthread_t id;

	made = make_stack(32768);
	used = 64;
	CHECK(sigaltstack(&made, NULL) == 0);
	handle(SIGUSR1, on_signal, SA_ONSTACK);
	for (int i = 0; i < 10; i++) {
		pthread_create(&id, NULL, look_in_thread, NULL);
		pthread_join(id, NULL);
	}
	if (fork() == 0) {
		raise(SIGUSR1);
		CHECK(sigaltstack(NULL, &now) == 0 && same(&now, &made));
		pthread_create(&id, NULL, look_in_thread, NULL);
		pthread_join(id, NULL);
		raise(SIGUSR1);
		_exit(check_failures != 0);
	}
	wait(&status);
	CHECK(status == 0);
	if (vfork() == 0) {
		target();
		_exit(sigaltstack(NULL, &now) != 0 || !same(&now, &made));
	}
	wait(&status);
	CHECK(status == 0);
	raise(SIGUSR1);
	CHECK(calls == 12);
}

static const struct check_case cases[] = {
	{"coroutine", coroutine},
	{"thread", thread},
	{"of_a_thread_that_loads", of_a_thread_that_loads},
	{"nearly_full", nearly_full},
	{"unwritable", unwritable},
	{"with_little_left", with_little_left},
	{"is_what_was_set", is_what_was_set},
	{"disarms_itself", disarms_itself},
	{"is_set_by_a_frame", is_set_by_a_frame},
	{"is_not_used_unasked", is_not_used_unasked},
	{"may_be_gone", may_be_gone},
	{"overflows_are_survived", overflows_are_survived},
	{"overflows_kill", overflows_kill},
	{"is_each_threads_own", is_each_threads_own},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases);
}
