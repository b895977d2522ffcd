/* SPDX-License-Identifier: MIT */
/*
 * To be attached to. Each way of being says "ready" when it is so, works until its standard input ends, and
 * says then what it found wrong; "fine" is nothing.
 *
 *	attached registers	in a loop that keeps something in each register and in the red zone
 *	attached waits		in a system call with a time to wait, which must take that long and no less
 *	attached stops		in one that ends by EINTR when its thread stops
 *	attached sleeps		in short ones, in thirty threads
 *	attached handlers	handlers that block all signals, set and taken away all the time
 *	attached inside		in a handler that has interrupted a wait
 *	attached masked		waiting for signals, all blocked
 *	attached threads	a thousand threads that come and go
 *	attached alarms		a handler, a thousand times a second
 *	attached allocates	malloc() and free(), all the time, in four threads
 *	attached children	a child now and then, which calls what is probed, and another program
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Atomic int wrong;
static _Atomic long worked;
static const char *what = "";

long attached_work(long number);

__attribute__((noinline)) long attached_work(long number)
{
	__asm__ volatile("" ::: "memory");
	return atomic_fetch_add(&worked, 1) + number;
}

static bool is_over(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) > 0;
}

static void fail(const char *why)
{
	what = why;
	atomic_fetch_add(&wrong, 1);
}

/* ---- registers ----------------------------------------------------------------------------- */

/* Some 10 microseconds; 0: nothing has changed. */
static uint64_t keep_registers(void)
{
	uint64_t bad = 0;

	__asm__ volatile("movq $0x1111, %%rbx\n\tmovq $0x2222, %%rdx\n\tmovq $0x3333, %%rsi\n\t"
			 "movq $0x4444, %%rdi\n\tmovq $0x5555, %%r8\n\tmovq $0x6666, %%r9\n\t"
			 "movq $0x7777, %%r10\n\tmovq $0x8888, %%r11\n\tmovq $0x9999, %%r12\n\t"
			 "movq $0xaaaa, %%r13\n\tmovq $0xbbbb, %%r14\n\tmovq $0xcccc, %%r15\n\t"
			 "movq %%rbx, %%xmm0\n\tmovq %%r15, %%xmm15\n\tmovq %%r14, %%xmm7\n\t"
			 "movq %%rbx, -8(%%rsp)\n\tmovq %%rdx, -128(%%rsp)\n\t"
			 "movq $20000, %%rcx\n\t"
			 "1:\tdecq %%rcx\n\tjnz 1b\n\t"
			 "xorq $0x1111, %%rbx\n\torq %%rbx, %0\n\t"
			 "xorq $0x2222, %%rdx\n\torq %%rdx, %0\n\t"
			 "xorq $0x3333, %%rsi\n\torq %%rsi, %0\n\t"
			 "xorq $0x4444, %%rdi\n\torq %%rdi, %0\n\t"
			 "xorq $0x5555, %%r8\n\torq %%r8, %0\n\t"
			 "xorq $0x6666, %%r9\n\torq %%r9, %0\n\t"
			 "xorq $0x7777, %%r10\n\torq %%r10, %0\n\t"
			 "xorq $0x8888, %%r11\n\torq %%r11, %0\n\t"
			 "xorq $0x9999, %%r12\n\torq %%r12, %0\n\t"
			 "xorq $0xaaaa, %%r13\n\torq %%r13, %0\n\t"
			 "movq %%xmm0, %%rbx\n\txorq $0x1111, %%rbx\n\torq %%rbx, %0\n\t"
			 "movq %%xmm15, %%rbx\n\txorq %%r15, %%rbx\n\torq %%rbx, %0\n\t"
			 "movq %%xmm7, %%rbx\n\txorq %%r14, %%rbx\n\torq %%rbx, %0\n\t"
			 "movq -8(%%rsp), %%rbx\n\txorq $0x1111, %%rbx\n\torq %%rbx, %0\n\t"
			 "movq -128(%%rsp), %%rbx\n\txorq $0x2222, %%rbx\n\torq %%rbx, %0\n\t"
			 : "+a"(bad)
			 :
			 : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
			   "r13", "r14", "r15", "xmm0", "xmm7", "xmm15", "memory", "cc");
	return bad;
}

static void registers(void)
{
	errno = 4711;
	while (!is_over()) {
		for (int i = 0; i < 1000; i++)
			if (keep_registers())
				fail("a register has changed");
		if (errno != 4711)
			fail("errno has changed");
		attached_work(1);
	}
}

/* ---- waits --------------------------------------------------------------------------------- */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check_wait(const char *name, double since, double least, bool fine)
{
	if (!fine || now() - since < least)
		fail(name);
}

static void waits(void)
{
	const struct timespec time = {.tv_nsec = 300000000};
	int pipes[2];

	if (pipe(pipes))
		return;
	while (!is_over()) {
		struct pollfd never = {.fd = pipes[0], .events = POLLIN};
		double since = now();

		check_wait("nanosleep", since, 0.3, nanosleep(&time, NULL) == 0);
		since = now();
		check_wait("poll", since, 0.3, poll(&never, 1, 300) == 0);
		since = now();
		check_wait("ppoll", since, 0.3, ppoll(&never, 1, &time, NULL) == 0);
		since = now();
		check_wait("usleep", since, 0.3, usleep(300000) == 0);
		attached_work(1);
	}
}

/* Those that end by EINTR when their thread stops, though no handler runs. */
static void stops(void)
{
	const struct timespec time = {.tv_nsec = 100000000};
	const struct timeval limit = {.tv_usec = 100000};
	int files[2], queue = epoll_create1(0);
	struct epoll_event event;
	sigset_t signals;
	char byte;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR2);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, files) ||
	    setsockopt(files[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		fail("socketpair");
	while (!is_over()) {
		double since = now();

		check_wait("epoll_wait", since, 0.1, epoll_wait(queue, &event, 1, 100) == 0);
		since = now();
		check_wait("sigtimedwait", since, 0.1,
			   sigtimedwait(&signals, NULL, &time) < 0 && errno == EAGAIN);
		since = now();
		check_wait("recv", since, 0.09, recv(files[0], &byte, 1, 0) < 0 && errno == EAGAIN);
		attached_work(1);
	}
}

static void *sleep_shortly(void *data)
{
	for (unsigned int i = 0; !is_over(); i++)
		if (usleep(i % 100))
			fail("usleep");
	return data;
}

/* Each may be in another call when it is held than when it was asked. */
static void sleeps(void)
{
	pthread_t threads[30];

	for (int i = 0; i < 30; i++)
		pthread_create(&threads[i], NULL, sleep_shortly, NULL);
	while (!is_over()) {
		attached_work(1);
		usleep(1000);
	}
	for (int i = 0; i < 30; i++)
		pthread_join(threads[i], NULL);
}

/* ---- signals ------------------------------------------------------------------------------- */

static _Atomic long handled;

static void on_signal(int sig)
{
	(void)sig;
	atomic_fetch_add(&handled, 1);
	attached_work(1);
}

static void within(int sig)
{
	(void)sig;
	while (!is_over()) {
		attached_work(1);
		poll(NULL, 0, 10);
	}
}

/* In a handler that has interrupted a call that is guarded once there is an engine. */
static void inside(void)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGALRM, within);
	ualarm(1000, 0);
	sigsuspend(&none);
}

static void *spin(void *data)
{
	while (!is_over()) {
		for (volatile int i = 0; i < 20000; i++)
			;
		usleep(500);
	}
	return data;
}

/* A handler that blocks all signals is set, runs, and is taken away, as libuv does with that of SIGCHLD. */
static void handlers(void)
{
	struct sigaction all = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	const struct sigaction none = {.sa_handler = SIG_DFL};
	pthread_t threads[8];
	long raised = 0;

	sigfillset(&all.sa_mask);
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, spin, NULL);
	while (!is_over()) {
		sigaction(SIGUSR1, &all, NULL);
		usleep(300);
		raise(SIGUSR1);
		if (handled != ++raised)
			fail("a signal was lost");
		sigaction(SIGUSR1, &none, NULL);
		usleep(100);
	}
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}

static void *wait_for_signals(void *data)
{
	sigset_t all;
	int sig;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (sigwait(&all, &sig) == 0 && sig != SIGTERM)
		attached_work(1);
	return data;
}

static void masked(void)
{
	pthread_t threads[8];
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, wait_for_signals, NULL);
	while (!is_over()) {
		kill(getpid(), SIGUSR1);
		usleep(1000);
	}
	for (int i = 0; i < 8; i++) {
		pthread_kill(threads[i], SIGTERM);
		pthread_join(threads[i], NULL);
	}
}

static _Atomic long alarms_seen;

static void on_alarm(int sig)
{
	(void)sig;
	atomic_fetch_add(&alarms_seen, 1);
	attached_work(1);
}

static void alarms(void)
{
	const struct itimerval often = {{0, 1000}, {0, 1000}};
	const struct itimerval never = {{0, 0}, {0, 0}};

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &often, NULL);
	while (!is_over())
		free(malloc(100));
	setitimer(ITIMER_REAL, &never, NULL);
	if (!alarms_seen)
		fail("no alarm has come");
}

/* ---- threads ------------------------------------------------------------------------------- */

static void *short_life(void *data)
{
	attached_work((long)data);
	usleep(1000);
	return NULL;
}

#define THREADS 1000

static void threads(void)
{
	static pthread_t all[THREADS];
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64ul << 10);
	while (!is_over()) {
		int count = 0;

		while (count < THREADS &&
		       pthread_create(&all[count], &small, short_life, (void *)1l) == 0)
			count++;
		if (!count)
			fail("no thread can be made");
		while (count > 0)
			pthread_join(all[--count], NULL);
	}
}

static _Atomic bool stop;

static void *allocate(void *data)
{
	void *kept[16] = {NULL};
	unsigned int next = 1;

	while (!stop) {
		next = next * 1103515245 + 12345;
		free(kept[next >> 16 & 15]);
		kept[next >> 16 & 15] = malloc(next >> 20 & 0xfff);
		attached_work(1);
	}
	for (int i = 0; i < 16; i++)
		free(kept[i]);
	return data;
}

static void allocates(void)
{
	pthread_t all[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&all[i], NULL, allocate, NULL);
	while (!is_over())
		for (int i = 0; i < 1000; i++)
			free(malloc((size_t)i * 7));
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(all[i], NULL);
}

/* ---- children ------------------------------------------------------------------------------ */

static void children(void)
{
	while (!is_over()) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0) {
			attached_work(1);
			execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
		waitpid(pid, &status, 0);
		if (pid < 0 || status)
			fail("a child has failed");
		usleep(10000);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} ways[] = {
	{"registers", registers}, {"waits", waits},   {"masked", masked},
	{"threads", threads},	  {"alarms", alarms}, {"allocates", allocates},
	{"children", children},	  {"stops", stops},   {"sleeps", sleeps},
	{"handlers", handlers},	  {"inside", inside},
};

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	printf("ready\n");
	for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(argv[1], ways[i].name) == 0)
			ways[i].run();
	printf("%s\n", wrong ? what : "fine");
	return wrong != 0;
}
