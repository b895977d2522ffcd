/* SPDX-License-Identifier: MIT */
/*
 * Refusals that need a process of their own to be provoked in: without room, without the right to
 * write, with a thread that cannot be reached. (The others are in probe.c and promote.c.)
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "tests/support/patience.h"
#include "tests/unit/probe/functions.h"
#include "tests/unit/probe/starve.h"

TestSuite(refusals, .timeout = 400);

extern const char restartable[], rseq_begin[], rseq_end[], over_iret[];

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

#define EXPECT_SUCCESS(run)                                                                        \
	do {                                                                                       \
		int status_ = status_of(run);                                                      \
		cr_expect_eq(status_, 0, "status %#x", (unsigned int)status_);                     \
	} while (0)

/* In a child: where it fails shows in its status. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static int create(const void *addr, enum ep_plan plan, struct ep_probe **ret)
{
	struct ep_options options = {.size = sizeof(options), .plan = plan};

	return ep_probe_create(addr, &options, ret);
}

static struct ep_info info_of(const struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	ep_probe_info(probe, &info);
	return info;
}

/* ---- places -------------------------------------------------------------------------------- */

Test(refusals, a_restartable_sequence)
{
	const char *inside[] = {rseq_begin, rseq_begin + 3, rseq_begin + 6};
	long (*call)(long *) = (long (*)(long *))(uintptr_t)restartable;
	struct ep_probe *before, *behind, *probe;
	long counter = 0;

	for (int i = 0; i < 3; i++)
		cr_expect_eq(create(inside[i], EP_PLAN_AUTO, &probe), -EP_RSEQ, "%d", i);
	/* Its neighbours may be probed, but no jump reaches into it. */
	cr_assert_eq(create(restartable, EP_PLAN_JUMP, &before), 0);
	cr_assert_eq(create(rseq_end, EP_PLAN_AUTO, &behind), 0);
	cr_expect_eq(info_of(before).reason, EP_JUMP_CODE);
	cr_expect_eq(call(&counter), 1);
	cr_expect_eq(info_of(before).hits, 1);
	cr_expect_eq(info_of(behind).hits, 1);
}

Test(refusals, code_of_the_engine)
{
	struct ep_probe *probe;

	cr_expect_eq(create((const void *)ep_probe_info, EP_PLAN_AUTO, &probe), 0,
		     "linked statically it is the program's");
	ep_probe_remove(probe);
}

/* ---- jumps --------------------------------------------------------------------------------- */

Test(refusals, a_jump_over_what_cannot_be_displaced)
{
	struct ep_probe *probe;

	cr_assert_eq(create(over_iret, EP_PLAN_JUMP, &probe), 0);
	cr_expect_eq(info_of(probe).plan, EP_PLAN_EMULATE);
	cr_expect_eq(info_of(probe).reason, EP_NOT_JUMPED);
}

Test(refusals, a_jump_over_another_probe)
{
	struct ep_probe *first, *second;

	cr_assert_eq(create((const void *)starts_with_push, EP_PLAN_JUMP, &first), 0);
	cr_expect_eq(info_of(first).plan, EP_PLAN_JUMP);
	cr_assert_eq(create((const char *)starts_with_push + 1, EP_PLAN_TRAP, &second), 0);
	cr_expect_eq(info_of(first).plan, EP_PLAN_EMULATE);
	cr_expect_eq(info_of(first).reason, EP_JUMP_OVERLAP);
	cr_expect_eq(starts_with_push(1, 2), 3);
	cr_expect_eq(info_of(second).hits, 1);
	ep_probe_remove(second);
	cr_expect_eq(info_of(first).plan, EP_PLAN_JUMP);
	cr_expect_eq(starts_with_push(1, 2), 3);
	cr_expect_eq(info_of(first).hits, 2);
}

Test(refusals, a_jump_in_generated_code)
{
	static const uint8_t code[] = {0x0f, 0x1f, 0x44, 0, 0, 0x8d, 0x04, 0x37, 0xc3};
	uint8_t *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ep_probe *probe;

	memcpy(page, code, sizeof(code)); /* nopl 0(%rax,%rax); lea (%rdi,%rsi),%eax; ret */
	mprotect(page, 4096, PROT_READ | PROT_EXEC);
	cr_assert_eq(create(page, EP_PLAN_JUMP, &probe), 0);
	cr_expect_eq(info_of(probe).reason, EP_JUMP_CODE);
	cr_expect_eq(((sum_function)(uintptr_t)page)(3, 4), 7);
	cr_expect_eq(info_of(probe).hits, 1);
}

/* ---- no room ------------------------------------------------------------------------------- */

#define REACH (0x80000000ul + 0x1000000)

static void take(uint64_t start, uint64_t end)
{
	if (start < end)
		mmap((void *)start, end - start, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
}

/* Take all free memory within 2 GiB of @around. */
static void fill(uint64_t around)
{
	static char maps[1 << 20];
	uint64_t at = (around - REACH) & ~0xffful, hi = at + 2 * REACH, start, end;
	FILE *file = fopen("/proc/self/maps", "r");
	char *line = maps;

	maps[fread(maps, 1, sizeof(maps) - 1, file)] = '\0';
	while (line && sscanf(line, "%lx-%lx", &start, &end) == 2) {
		take(at, start < hi ? start : hi);
		at = end > at ? end : at;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	take(at, hi);
}

/* push x(%rip) can only be copied where x is in reach: no register may stand in for RSP. */
static void run_out_of_room(void)
{
	static const uint8_t push[] = {0xff, 0x35, 0, 0, 0, 0},
			     load[] = {0x8b, 0x05, 0, 0, 0, 0, 0xc3};
	/* Where no code memory is yet. */
	uint8_t *code = mmap((void *)0x100000000000, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ep_probe *probe;
	uint32_t next;

	memcpy(code, push, sizeof(push));
	memcpy(code + 16, load, sizeof(load)); /* mov 0(%rip), %eax; ret */
	memcpy(&next, code + 22, sizeof(next));
	mprotect(code, 4096, PROT_READ | PROT_EXEC);
	fill((uint64_t)code);
	CHECK(create(code, EP_PLAN_BOOST, &probe) == -EP_OUT_OF_REACH);
	CHECK(*code == 0xff);
	/* Others do not need to be in reach. */
	CHECK(create(code + 16, EP_PLAN_BOOST, &probe) == 0);
	CHECK(((uint32_t(*)(void))(uintptr_t)(code + 16))() == next);
	CHECK(info_of(probe).hits == 1);
}

Test(refusals, no_memory_in_reach)
{
	EXPECT_SUCCESS(run_out_of_room);
}

static void run_out_of_room_for_jumps(void)
{
	struct ep_probe *probe;

	fill((uint64_t)starts_with_push);
	CHECK(create((const void *)starts_with_push, EP_PLAN_JUMP, &probe) == 0);
	CHECK(info_of(probe).plan == EP_PLAN_EMULATE);
	CHECK(info_of(probe).reason == EP_OUT_OF_REACH);
	CHECK(starts_with_push(1, 2) == 3);
	CHECK(info_of(probe).hits == 1);
}

Test(refusals, no_memory_in_reach_of_a_jump)
{
	EXPECT_SUCCESS(run_out_of_room_for_jumps);
}

/* ---- no right to write --------------------------------------------------------------------- */

static void forbid(const uint32_t *numbers, size_t count)
{
	struct sock_filter filter[16];
	struct sock_fprog program = {.filter = filter};

	filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
	for (size_t i = 0; i < count; i++) {
		filter[program.len++] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], 0, 1);
		filter[program.len++] =
			(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	}
	filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static const uint32_t both[] = {SYS_pwrite64, SYS_mprotect};

static void write_nothing_from_the_start(void)
{
	struct ep_probe *probe;
	uint8_t before = *(const uint8_t *)starts_with_push;

	forbid(both, 2);
	CHECK(create((const void *)starts_with_push, EP_PLAN_AUTO, &probe) == -EP_NOT_WRITABLE);
	CHECK(*(const uint8_t *)starts_with_push == before);
	CHECK(starts_with_push(1, 2) == 3);
}

static void write_nothing_later(void)
{
	struct ep_request requests[2] = {{(const void *)starts_with_lea, NULL, NULL, 0},
					 {(const void *)starts_with_endbr, NULL, NULL, 0}};
	struct ep_probe *old, *probe;

	CHECK(create((const void *)starts_with_push, EP_PLAN_AUTO, &old) == 0);
	forbid(both, 2);
	for (enum ep_plan plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		int error = create((const void *)starts_with_sse, plan, &probe);

		CHECK(error == (plan == EP_PLAN_EMULATE ? -EP_NOT_EMULATED : -EP_NOT_WRITABLE));
	}
	CHECK(ep_probe_create_batch(requests, 2) == 2);
	CHECK(requests[0].error == -EP_NOT_WRITABLE && requests[1].error == -EP_NOT_WRITABLE);
	CHECK(starts_with_sse(1, 2) == 3 && starts_with_lea(1, 2) == 3);
	CHECK(starts_with_push(1, 2) == 3);
	CHECK(info_of(old).hits == 1);
}

Test(refusals, text_that_cannot_be_written)
{
	EXPECT_SUCCESS(write_nothing_from_the_start);
	EXPECT_SUCCESS(write_nothing_later);
}

/* What cannot be taken away stays, and does no harm. */
static void remove_nothing(void)
{
	static const sum_function functions[] = {starts_with_push, starts_with_lea, starts_with_sse,
						 starts_with_call, starts_with_endbr};

	for (int plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan += 1) {
		struct ep_probe *probes[5] = {NULL};

		pid_t child = fork();

		if (child) {
			int status;

			waitpid(child, &status, 0);
			CHECK(status == 0);
			continue;
		}
		for (int i = 0; i < 5; i++)
			create((const void *)functions[i], (enum ep_plan)plan, &probes[i]);
		for (int i = 0; i < 5; i++)
			CHECK(functions[i](1, 2) == 3);
		forbid(both, 2);
		for (int i = 0; i < 5; i++)
			CHECK(!probes[i] || ep_probe_remove(probes[i]) == 0);
		for (int i = 0; i < 5; i++)
			for (int round = 0; round < 2000; round++)
				CHECK(functions[i](1, 2) == 3);
		for (int i = 0; i < 5; i++) {
			struct ep_probe *again;

			if (!probes[i])
				continue;
			CHECK(create((const void *)functions[i], EP_PLAN_AUTO, &again) == 0);
			CHECK(functions[i](1, 2) == 3);
			CHECK(info_of(again).hits == 1);
		}
		_exit(0);
	}
}

Test(refusals, what_cannot_be_removed_does_no_harm)
{
	EXPECT_SUCCESS(remove_nothing);
}

static void write_by_mprotect(void)
{
	struct ep_probe *probe;

	forbid(both, 1);
	CHECK(create((const void *)starts_with_push, EP_PLAN_AUTO, &probe) == 0);
	CHECK(starts_with_push(1, 2) == 3);
	CHECK(info_of(probe).hits == 1);
	CHECK(ep_probe_remove(probe) == 0);
	CHECK(starts_with_push(1, 2) == 3);
}

Test(refusals, not_where_mprotect_still_works)
{
	EXPECT_SUCCESS(write_by_mprotect);
}

/* ---- a thread that cannot be reached ------------------------------------------------------- */

static int ready[2];

static void *block_everything(void *data)
{
	uint64_t all = UINT64_MAX;

	(void)data;
	/* Past libc, which would keep its own signals open. */
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
	if (write(ready[1], "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static void start_beside_a_deaf_thread(void)
{
	struct ep_probe *probe;
	pthread_t thread;
	char byte;

	CHECK(pipe(ready) == 0);
	CHECK(pthread_create(&thread, NULL, block_everything, NULL) == 0);
	CHECK(read(ready[0], &byte, 1) == 1);
	CHECK(create((const void *)starts_with_push, EP_PLAN_AUTO, &probe) == -EP_SIGNALS_BLOCKED);
	CHECK(*(const uint8_t *)starts_with_push != 0xcc);
	CHECK(starts_with_push(1, 2) == 3);
}

Test(refusals, a_thread_that_takes_no_signal)
{
	EXPECT_SUCCESS(start_beside_a_deaf_thread);
}

/* ---- threads that come late ----------------------------------------------------------------- */

/* A worker that leaves signals to others, as many are. */
static void *sleep_with_signals_blocked(void *data)
{
	sigset_t all;

	(void)data;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (write(ready[1], "", 1) != 1)
		_exit(1);
	starve_me();
	for (;;)
		pause();
}

static void start_beside_a_starved_thread(void)
{
	struct ep_probe *probe;
	pthread_t thread;
	char byte;

	CHECK(pipe(ready) == 0);
	starve_begin();
	CHECK(pthread_create(&thread, NULL, sleep_with_signals_blocked, NULL) == 0);
	CHECK(read(ready[0], &byte, 1) == 1);
	CHECK(create((const void *)starts_with_push, EP_PLAN_AUTO, &probe) == 0);
	CHECK(starts_with_push(1, 2) == 3);
	starve_end();
}

/* It depends on the scheduler whether the thread gets the processor in time by chance. */
Test(refusals, not_because_of_a_thread_that_gets_no_processor)
{
	for (int i = 0; i < 5; i++)
		EXPECT_SUCCESS(start_beside_a_starved_thread);
}

static void *start_alone(void *data)
{
	struct ep_probe *probe;

	CHECK(pthread_join(*(pthread_t *)data, NULL) == 0);
	CHECK(create((const void *)starts_with_push, EP_PLAN_AUTO, &probe) == 0);
	CHECK(starts_with_push(1, 2) == 3);
	_exit(0);
}

static void start_when_the_first_thread_has_ended(void)
{
	static pthread_t first, second;

	first = pthread_self();
	CHECK(pthread_create(&second, NULL, start_alone, &first) == 0);
	pthread_exit(NULL);
}

Test(refusals, not_because_of_a_thread_that_has_ended)
{
	EXPECT_SUCCESS(start_when_the_first_thread_has_ended);
}
