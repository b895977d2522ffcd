/* SPDX-License-Identifier: MIT */
/*
 * What the guards do not see: system calls of generated code. It is found out before a trap is
 * written.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/support/patience.h"
#include "tests/unit/probe/functions.h"
#include "tests/unit/probe/starve.h"

TestSuite(unseen, .timeout = 400);

static int status_of(void (*run)(void))
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		alarm(patience(60));
		run();
		_exit(0);
	}
	waitpid(child, &status, 0);
	return status;
}

/* In a child: where it fails shows in its status. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static int create(sum_function function, struct ep_probe **ret)
{
	struct ep_options options = {.size = sizeof(options), .plan = EP_PLAN_TRAP};

	return ep_probe_create((const void *)function, &options, ret);
}

typedef long (*call_function)(long a, const void *b, void *c, long d, long number);

/* Nobody has scanned this. */
static call_function generate(void)
{
	static const uint8_t code[] = {
		0x49, 0x89, 0xca, /* mov %rcx, %r10 */
		0x4c, 0x89, 0xc0, /* mov %r8, %rax */
		0x0f, 0x05,	  /* syscall */
		0xc3,		  /* ret */
	};
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	memcpy(memory, code, sizeof(code));
	CHECK(mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0);
	return (call_function)memory;
}

static const uint64_t trap = 1ul << (SIGTRAP - 1);
static call_function call;
static int ready[2], go_on[2];

static void *block_unseen(void *data)
{
	char byte;

	CHECK(call(SIG_BLOCK, &trap, NULL, sizeof(trap), SYS_rt_sigprocmask) == 0);
	CHECK(write(ready[1], "", 1) == 1);
	CHECK(read(go_on[0], &byte, 1) == 1);
	CHECK(call(SIG_UNBLOCK, &trap, NULL, sizeof(trap), SYS_rt_sigprocmask) == 0);
	CHECK(starts_with_lea(1, 2) == 3);
	return data;
}

static void block(void)
{
	struct ep_probe *probe, *other;
	pthread_t thread;
	char byte;

	call = generate();
	CHECK(create(starts_with_push, &probe) == 0);
	CHECK(pipe(ready) == 0 && pipe(go_on) == 0);
	CHECK(pthread_create(&thread, NULL, block_unseen, NULL) == 0);
	CHECK(read(ready[0], &byte, 1) == 1);
	usleep(30000);
	CHECK(create(starts_with_lea, &other) == -EP_SIGNALS_BLOCKED);
	CHECK(*(const uint8_t *)starts_with_lea != 0xcc);
	CHECK(starts_with_push(1, 2) == 3);
	CHECK(write(go_on[1], "", 1) == 1);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(create(starts_with_lea, &other) == 0);
	CHECK(starts_with_lea(1, 2) == 3);
}

Test(unseen, a_thread_that_blocks_sigtrap_is_found)
{
	cr_expect_eq(status_of(block), 0);
}

static void spin(void)
{
	for (volatile int i = 0; i < 10000; i++)
		continue;
}

/* Half of its time: moments that last, on the processor that it has, as long as others like. */
static void *block_at_times(void *data)
{
	CHECK(write(ready[1], "", 1) == 1);
	starve_me();
	for (;;) {
		CHECK(call(SIG_BLOCK, &trap, NULL, sizeof(trap), SYS_rt_sigprocmask) == 0);
		spin();
		CHECK(call(SIG_UNBLOCK, &trap, NULL, sizeof(trap), SYS_rt_sigprocmask) == 0);
		spin();
	}
	return data;
}

static void block_without_a_processor(void)
{
	struct ep_probe *probe;
	pthread_t thread;
	char byte;

	call = generate();
	CHECK(create(starts_with_push, &probe) == 0);
	CHECK(pipe(ready) == 0);
	starve_begin();
	CHECK(pthread_create(&thread, NULL, block_at_times, NULL) == 0);
	CHECK(read(ready[0], &byte, 1) == 1);
	for (int i = 0; i < 5; i++) {
		usleep(30000); /* what was found does not hold for so long */
		CHECK(create(starts_with_lea, &probe) == 0);
		CHECK(ep_probe_remove(probe) == 0);
	}
	starve_end();
}

Test(unseen, a_thread_that_blocks_sigtrap_and_gets_no_processor_is_waited_for)
{
	cr_expect_eq(status_of(block_without_a_processor), 0);
}

static void take(void)
{
	struct {
		uint64_t handler, flags, restorer, mask;
	} action = {.handler = (uint64_t)SIG_IGN}, old;
	struct ep_probe *probe, *other;

	call = generate();
	CHECK(create(starts_with_push, &probe) == 0);
	CHECK(call(SIGTRAP, &action, &old, 8, SYS_rt_sigaction) == 0);
	CHECK(create(starts_with_lea, &other) == -EP_SIGNAL_TAKEN);
	CHECK(*(const uint8_t *)starts_with_lea != 0xcc);
	CHECK(call(SIGTRAP, &old, NULL, 8, SYS_rt_sigaction) == 0);
	CHECK(create(starts_with_lea, &other) == 0);
	CHECK(starts_with_lea(1, 2) == 3 && starts_with_push(1, 2) == 3);
}

Test(unseen, a_handler_that_was_set_is_found)
{
	cr_expect_eq(status_of(take), 0);
}
