/* SPDX-License-Identifier: MIT */
/*
 * Threads that come and go in every way there is. Each call of target() is counted here as well;
 * "target N" at the end is what a probe there must have counted.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>

#include "check.h"

static atomic_long expected;
static long own_target_calls; /* of the main thread, and not atomic, so that it cannot be inlined */

void target(void);

__attribute__((noinline)) void target(void)
{
	__asm__ volatile("lea (%%rdi), %%rdi; lea (%%rsi), %%rsi" : : "m"(own_target_calls));
}

static void call_target(long count)
{
	for (long i = 0; i < count; i++)
		target();
	atomic_fetch_add(&expected, count);
}

static void *call_some(void *count)
{
	call_target((long)(intptr_t)count);
	free(malloc(100));
	return NULL;
}

static void come_and_go(void)
{
	for (int i = 0; i < 500; i++) {
		pthread_t threads[4];

		for (int k = 0; k < 4; k++)
			CHECK(pthread_create(&threads[k], NULL, call_some, (void *)25) == 0);
		for (int k = 0; k < 4; k++)
			CHECK(pthread_join(threads[k], NULL) == 0);
	}
}

static void detached(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (long i = 1; i <= 1000; i++) {
		while (pthread_create(&thread, &attr, call_some, (void *)10) == EAGAIN)
			usleep(1000);
	}
	while (expected < 10000)
		usleep(1000);
	usleep(20000);
}

static void many_at_once(void)
{
	enum { COUNT = 1000 };
	static pthread_t threads[COUNT];
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (int i = 0; i < COUNT; i++)
		CHECK(pthread_create(&threads[i], &attr, call_some, (void *)100) == 0);
	for (int i = 0; i < COUNT; i++)
		pthread_join(threads[i], NULL);
}

static void tiny_stacks(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	CHECK(pthread_attr_setstacksize(&attr, (size_t)sysconf(_SC_THREAD_STACK_MIN)) == 0);
	for (int i = 0; i < 100; i++) {
		CHECK(pthread_create(&thread, &attr, call_some, (void *)100) == 0);
		pthread_join(thread, NULL);
	}
}

/* ---- the end of a thread ------------------------------------------------------------------- */

static pthread_key_t key;
static atomic_int cleaned, destroyed;

static void destroy(void *value)
{
	(void)value;
	call_target(1);
	free(malloc(10));
	atomic_fetch_add(&destroyed, 1);
}

static void clean_up(void *arg)
{
	(void)arg;
	call_target(1);
	atomic_fetch_add(&cleaned, 1);
}

static sem_t ready;

static void *wait_for_cancel(void *asynchronous)
{
	int old;

	pthread_setspecific(key, &key);
	pthread_setcanceltype(asynchronous ? PTHREAD_CANCEL_ASYNCHRONOUS : PTHREAD_CANCEL_DEFERRED,
			      &old);
	pthread_cleanup_push(clean_up, NULL);
	sem_post(&ready);
	if (asynchronous)
		for (;;)
			target(); /* not counted: see below */
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return NULL;
}

static void cancelled(void)
{
	pthread_key_create(&key, destroy);
	sem_init(&ready, 0, 0);
	for (int i = 0; i < 200; i++) {
		pthread_t thread;
		void *ret;

		CHECK(pthread_create(&thread, NULL, wait_for_cancel, NULL) == 0);
		sem_wait(&ready);
		CHECK(pthread_cancel(thread) == 0);
		CHECK(pthread_join(thread, &ret) == 0 && ret == PTHREAD_CANCELED);
	}
	CHECK(cleaned == 200 && destroyed == 200);
}

/* Anywhere in a loop through a probe, its handler included. Its count cannot be told. */
static void cancelled_asynchronously(void)
{
	pthread_key_create(&key, destroy);
	sem_init(&ready, 0, 0);
	for (int i = 0; i < 300; i++) {
		pthread_t thread;
		void *ret;

		CHECK(pthread_create(&thread, NULL, wait_for_cancel, (void *)1) == 0);
		sem_wait(&ready);
		usleep((useconds_t)(i % 7 * 50));
		CHECK(pthread_cancel(thread) == 0);
		CHECK(pthread_join(thread, &ret) == 0 && ret == PTHREAD_CANCELED);
	}
	CHECK(destroyed == 300);
	CHECK(cleaned == 300);
}

static void *exit_with_destructor(void *arg)
{
	pthread_setspecific(key, arg);
	pthread_exit(arg);
}

static void destructors(void)
{
	pthread_key_create(&key, destroy);
	for (int i = 0; i < 200; i++) {
		pthread_t thread;
		void *ret;

		CHECK(pthread_create(&thread, NULL, exit_with_destructor, &key) == 0);
		CHECK(pthread_join(thread, &ret) == 0 && ret == &key);
	}
	CHECK(destroyed == 200);
}

static void print_count(void)
{
	char text[64];

	call_target(1);
	snprintf(text, sizeof(text), "target %ld\n", (long)expected);
	if (write(1, text, strlen(text)) < 0)
		_exit(9);
}

static void *end_the_process(void *arg)
{
	(void)arg;
	exit(check_failures != 0);
}

/* The main thread is gone; another one ends the process. */
static void main_thread_ends_first(void)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, end_the_process, NULL) == 0);
	pthread_exit(NULL);
}

/* ---- without libc -------------------------------------------------------------------------- */

#define STACK 65536

static int raw_thread(void *count)
{
	for (long i = 0; i < (long)(intptr_t)count; i++)
		target();
	return 0;
}

static int make_raw(char *stack, int flags, long count)
{
	return clone(raw_thread, stack + STACK, flags, (void *)(intptr_t)count);
}

static void wait_raw(int tid)
{
	while (syscall(SYS_tgkill, getpid(), tid, 0) == 0)
		usleep(500);
}

/* One after the other; each uses the thread pointer of the main thread, which waits. */
static void raw_clone(void)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 20; i++) {
		int tid = make_raw(stack,
				   CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
					   CLONE_THREAD | CLONE_SYSVSEM,
				   100);

		CHECK(tid > 0);
		wait_raw(tid);
		atomic_fetch_add(&expected, 100);
		call_target(10);
	}
}

/* A process in our memory, with signal actions of its own. */
static void clone_vm(void)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 20; i++) {
		int status, pid = make_raw(stack, CLONE_VM | CLONE_VFORK | SIGCHLD, 100);

		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
		atomic_fetch_add(&expected, 100);
		call_target(10);
	}
}

static int c11_thread(void *arg)
{
	call_target(5);
	(void)arg;
	return 7;
}

static void c11_threads(void)
{
	for (int i = 0; i < 100; i++) {
		thrd_t thread;
		int ret;

		CHECK(thrd_create(&thread, c11_thread, NULL) == thrd_success);
		CHECK(thrd_join(thread, &ret) == thrd_success && ret == 7);
	}
}

static atomic_int caught;

static void on_usr1(int sig)
{
	(void)sig;
	call_target(1);
	atomic_fetch_add(&caught, 1);
}

static atomic_bool stop;

static void *call_until_stopped(void *arg)
{
	(void)arg;
	while (!stop)
		call_target(1);
	return NULL;
}

/* Signals at every moment of a hit. */
static void signalled_all_the_time(void)
{
	pthread_t threads[3];
	int sent = 0;

	signal(SIGUSR1, on_usr1);
	for (int k = 0; k < 3; k++)
		CHECK(pthread_create(&threads[k], NULL, call_until_stopped, NULL) == 0);
	for (int i = 0; i < 20000; i++)
		sent += pthread_kill(threads[i % 3], SIGUSR1) == 0;
	stop = true;
	for (int k = 0; k < 3; k++)
		pthread_join(threads[k], NULL);
	CHECK(sent == 20000 && caught > 0);
}

static const struct check_case cases[] = {
	{"come_and_go", come_and_go},
	{"detached", detached},
	{"many_at_once", many_at_once},
	{"tiny_stacks", tiny_stacks},
	{"cancelled", cancelled},
	{"cancelled_asynchronously", cancelled_asynchronously},
	{"destructors", destructors},
	{"main_thread_ends_first", main_thread_ends_first},
	{"raw_clone", raw_clone},
	{"clone_vm", clone_vm},
	{"c11_threads", c11_threads},
	{"signalled_all_the_time", signalled_all_the_time},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	if (argc > 1)
		atexit(print_count);
	return check_main(argc, argv, cases);
}
