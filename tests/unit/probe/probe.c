/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/counting.h"
#include "include/emuprobe.h"
#include "probe/site/patch.h"
#include "probe/trap/trap.h"
#include "tests/unit/probe/functions.h"

TestSuite(probe, .timeout = 400);

static uint64_t hits_of(struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(probe, &info), 0);
	return info.hits;
}

static uint64_t missed_of(struct ep_probe *probe)
{
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(probe, &info), 0);
	return info.missed;
}

static struct ep_probe *must_create(const void *addr, ep_handler handler, void *cookie,
				    enum ep_plan plan)
{
	struct ep_options options = {
		.size = sizeof(options), .handler = handler, .cookie = cookie, .plan = plan};
	struct ep_probe *probe = NULL;
	int error = ep_probe_create(addr, &options, &probe);

	cr_assert_eq(error, 0, "%s", ep_strerror(error));
	return probe;
}

/* ---- a hit --------------------------------------------------------------------------------- */

static void check_sum_function(const char *name, sum_function function, enum ep_plan plan)
{
	struct ep_options options = {.size = sizeof(options), .plan = plan};
	struct ep_probe *probe = NULL;
	uint8_t before[16], after[16];
	int error;

	memcpy(before, (const void *)function, sizeof(before));
	error = ep_probe_create((const void *)function, &options, &probe);
	if (error == -EP_NOT_EMULATED || error == -EP_NOT_BOOSTED)
		return;
	cr_assert_eq(error, 0, "%s: %s", name, ep_strerror(error));
	for (uint64_t i = 0; i < 100; i++)
		cr_assert_eq(function(i, 1000), i + 1000, "%s", name);
	cr_assert_eq(hits_of(probe), 100, "%s", name);
	cr_assert_eq(ep_probe_remove(probe), 0);
	memcpy(after, (const void *)function, sizeof(after));
	cr_assert_arr_eq(before, after, sizeof(before), "%s", name);
	cr_assert_eq(function(2, 3), 5);
}

Test(probe, counts_hits_and_changes_nothing_under_every_plan)
{
	for (int plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
#define CHECK(name) check_sum_function(#name, name, (enum ep_plan)plan);
		SUM_FUNCTIONS(CHECK)
#undef CHECK
	}
}

Test(probe, works_where_proc_self_mem_cannot_be_written)
{
	patch_force_mprotect(true);
	check_sum_function("starts_with_push", starts_with_push, EP_PLAN_AUTO);
}

static void keep_regs(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	*(struct ep_regs *)cookie = *regs;
}

static void check_registers(const void *function, enum ep_plan plan)
{
	uint64_t in[18], bare[18], probed[18];
	struct ep_regs seen;
	struct ep_probe *probe;

	for (size_t i = 0; i < 18; i++)
		in[i] = 0x0101010101010101u * (i + 1);
	in[17] = 0x202 | 0x8d5; /* CF PF AF ZF SF OF */
	call_with_registers(function, in, bare);
	probe = must_create(function, keep_regs, &seen, plan);
	call_with_registers(function, in, probed);
	ep_probe_remove(probe);
	bare[16] = probed[16] = 0; /* not stored */
	cr_assert_arr_eq(bare, probed, sizeof(bare));
	cr_assert_arr_eq(&seen, in, 15 * sizeof(in[0]));
	cr_assert_eq(seen.rip, (uint64_t)function);
	cr_assert_eq(seen.rflags & 0x8d5, 0x8d5);
}

Test(probe, keeps_every_register_and_flag)
{
	check_registers((const void *)starts_with_push, EP_PLAN_EMULATE);
	check_registers((const void *)starts_with_push, EP_PLAN_BOOST);
	check_registers((const void *)starts_with_lea, EP_PLAN_EMULATE);
	check_registers((const void *)starts_with_call, EP_PLAN_AUTO);
	check_registers((const void *)starts_with_sse, EP_PLAN_BOOST);
	check_registers((const void *)starts_with_rip_relative, EP_PLAN_BOOST);
}

Test(probe, keeps_the_red_zone)
{
	struct ep_regs regs;
	struct ep_probe *a = must_create(in_red_zone, keep_regs, &regs, EP_PLAN_AUTO);
	struct ep_probe *b = must_create(in_red_zone_boosted, keep_regs, &regs, EP_PLAN_BOOST);

	for (uint64_t i = 0; i < 100; i++) {
		cr_assert_eq(uses_red_zone(i, 7), i + 7);
		cr_assert_eq(uses_red_zone_boosted(i, 7), i + 7);
	}
	cr_assert_eq(hits_of(a), 100);
	cr_assert_eq(hits_of(b), 100);
}

/* ---- handlers ------------------------------------------------------------------------------ */

static void add_to_rdi(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	regs->rdi += (uint64_t)cookie;
}

static void multiply_rdi(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	regs->rdi *= (uint64_t)cookie;
}

Test(probe, handlers_change_registers_in_the_order_of_registration)
{
	struct ep_probe *first =
		must_create((const void *)starts_with_lea, add_to_rdi, (void *)5, EP_PLAN_AUTO);
	struct ep_probe *second =
		must_create((const void *)starts_with_lea, multiply_rdi, (void *)10, EP_PLAN_AUTO);

	cr_assert_eq(starts_with_lea(1, 0), 60);
	cr_assert_eq(ep_probe_remove(first), 0);
	cr_assert_eq(starts_with_lea(1, 0), 10);
	cr_assert_eq(ep_probe_remove(second), 0);
	cr_assert_eq(starts_with_lea(1, 0), 1);
}

static void redirect(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	regs->rip = (uint64_t)cookie;
}

Test(probe, a_handler_may_redirect_the_thread)
{
	must_create((const void *)starts_with_push, redirect, (void *)starts_with_sse,
		    EP_PLAN_AUTO);
	cr_assert_eq(starts_with_push(3, 4), 7);
}

static void change_errno(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	errno = 4711;
}

Test(probe, handlers_do_not_change_errno)
{
	must_create((const void *)starts_with_push, change_errno, NULL, EP_PLAN_AUTO);
	errno = 5;
	starts_with_push(1, 2);
	cr_assert_eq(errno, 5);
}

Test(probe, disabled_ones_are_passed_uncounted)
{
	struct ep_options options = {.size = sizeof(options), .flags = EP_DISABLED};
	struct ep_probe *probe;

	cr_assert_eq(ep_probe_create((const void *)starts_with_push, &options, &probe), 0);
	cr_assert_eq(starts_with_push(1, 2), 3);
	cr_assert_eq(hits_of(probe), 0);
	ep_probe_enable(probe);
	starts_with_push(1, 2);
	cr_assert_eq(hits_of(probe), 1);
	ep_probe_disable(probe);
	starts_with_push(1, 2);
	cr_assert_eq(hits_of(probe), 1);
}

static void call_probed(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	starts_with_push(1, 2);
	starts_with_sse(1, 2);
}

Test(probe, recursion_is_counted_as_missed)
{
	struct ep_regs regs;
	struct ep_probe *outer =
		must_create((const void *)starts_with_push, call_probed, NULL, EP_PLAN_AUTO);
	struct ep_probe *inner =
		must_create((const void *)starts_with_sse, keep_regs, &regs, EP_PLAN_AUTO);

	cr_assert_eq(starts_with_push(1, 2), 3);
	cr_assert_eq(hits_of(outer), 1);
	cr_assert_eq(missed_of(outer), 1);
	cr_assert_eq(hits_of(inner), 0);
	cr_assert_eq(missed_of(inner), 1);
}

Test(probe, without_a_handler_nothing_is_missed)
{
	for (enum ep_plan plan = EP_PLAN_TRAP; plan <= EP_PLAN_JUMP; plan += 3) {
		struct ep_probe *outer =
			must_create((const void *)starts_with_push, call_probed, NULL, plan);
		struct ep_probe *inner =
			must_create((const void *)starts_with_sse, NULL, NULL, plan);

		cr_assert_eq(starts_with_push(1, 2), 3);
		cr_assert_eq(hits_of(inner), 1);
		cr_assert_eq(missed_of(inner), 0);
		ep_probe_remove(outer);
		ep_probe_remove(inner);
	}
}

Test(probe, counts_where_it_is_told_to)
{
	struct ep_counts mine = {0}, other = {0};
	struct ep_options options = {.size = sizeof(options), .counts = &mine};
	struct ep_probe *probe;

	cr_assert_eq(ep_probe_create((const void *)starts_with_push, &options, &probe), 0);
	starts_with_push(1, 2);
	cr_assert_eq(mine.hits, 1);
	ep_probe_set_counts(probe, &other);
	starts_with_push(1, 2);
	cr_assert_eq(mine.hits, 1);
	cr_assert_eq(other.hits, 1);
}

/* As in the child of a fork, and in its child: the probes do not know. */
Test(probe, counts_in_the_block_that_is_used)
{
	struct ep_counts blocks[3][2] = {0}, apart = {0};
	struct ep_options options = {.size = sizeof(options), .counts = &blocks[0][1]};
	struct ep_info info = {.size = sizeof(info)};
	struct ep_probe *probe, *other, *late;

	ep_use_count_block(blocks[0], 2);
	cr_assert_eq(ep_probe_create((const void *)starts_with_push, &options, &probe), 0);
	options.counts = &apart;
	cr_assert_eq(ep_probe_create((const void *)starts_with_push, &options, &other), 0);
	for (int i = 0; i < 3; i++) {
		ep_move_count_block(blocks[i]);
		options.counts = &blocks[i][0];
		cr_assert_eq(ep_probe_create((const void *)starts_with_push, &options, &late), 0);
		starts_with_push(1, 2);
		cr_expect_eq(blocks[i][1].hits, 1);
		cr_expect_eq(blocks[i][0].hits, (uint64_t)i + 1, "%d: %lu", i, blocks[i][0].hits);
		cr_expect_eq(ep_probe_info(probe, &info), 0);
		cr_expect_eq(info.hits, 1);
	}
	cr_expect_eq(apart.hits, 3);
	cr_expect_eq(blocks[0][0].hits, 1);
	ep_use_count_block(NULL, 0);
}

static void remove_itself(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)regs;
	++*(int *)cookie;
	cr_assert_eq(ep_probe_remove(probe), 0);
}

Test(probe, a_handler_may_remove_its_own_probe)
{
	int calls = 0;
	struct ep_probe *next;

	must_create((const void *)starts_with_push, remove_itself, &calls, EP_PLAN_AUTO);
	cr_assert_eq(starts_with_push(1, 2), 3);
	cr_assert_eq(starts_with_push(1, 2), 3);
	cr_assert_eq(calls, 1);
	next = must_create((const void *)starts_with_push, NULL, NULL, EP_PLAN_AUTO);
	cr_assert_eq(starts_with_push(1, 2), 3);
	cr_assert_eq(ep_probe_remove(next), 0);
}

/* ---- signals ------------------------------------------------------------------------------- */

static volatile sig_atomic_t own_traps;

static void own_trap(int sig)
{
	own_traps += sig == SIGTRAP;
}

Test(probe, the_programs_own_traps_reach_it)
{
	struct sigaction action = {.sa_handler = own_trap}, old;
	struct ep_probe *probe;

	sigaction(SIGTRAP, &action, NULL);
	probe = must_create((const void *)starts_with_push, NULL, NULL, EP_PLAN_AUTO);
	raise(SIGTRAP);
	cr_assert_eq(own_traps, 1);
	__asm__ volatile("int3");
	cr_assert_eq(own_traps, 2);
	starts_with_push(1, 2);
	cr_assert_eq(own_traps, 2);
	cr_assert_eq(hits_of(probe), 1);
	sigaction(SIGTRAP, NULL, &old);
	cr_assert_eq(old.sa_handler, own_trap);
}

Test(probe, a_handler_set_later_is_the_programs_not_the_kernels)
{
	struct sigaction action = {.sa_handler = own_trap};
	struct ep_probe *probe =
		must_create((const void *)starts_with_push, NULL, NULL, EP_PLAN_AUTO);

	sigaction(SIGTRAP, &action, NULL);
	raise(SIGTRAP);
	starts_with_push(1, 2);
	cr_assert_eq(own_traps, 1);
	cr_assert_eq(hits_of(probe), 1);
	signal(SIGTRAP, SIG_IGN);
	raise(SIGTRAP);
	starts_with_push(1, 2);
	cr_assert_eq(own_traps, 1);
	cr_assert_eq(hits_of(probe), 2);
}

Test(probe, an_unknown_trap_kills_as_without_us, .signal = SIGTRAP)
{
	must_create((const void *)starts_with_push, NULL, NULL, EP_PLAN_AUTO);
	__asm__ volatile("int3");
}

Test(probe, works_while_the_program_believes_sigtrap_blocked)
{
	sigset_t all, old;
	struct ep_probe *probe =
		must_create((const void *)starts_with_push, NULL, NULL, EP_PLAN_AUTO);

	sigfillset(&all);
	cr_assert_eq(sigprocmask(SIG_SETMASK, &all, NULL), 0);
	starts_with_push(1, 2);
	cr_assert_eq(sigprocmask(SIG_SETMASK, NULL, &old), 0);
	cr_assert(sigismember(&old, SIGTRAP));
	cr_assert(sigismember(&old, SIGUSR1));
	sigemptyset(&all);
	cr_assert_eq(pthread_sigmask(SIG_SETMASK, &all, &old), 0);
	cr_assert(sigismember(&old, SIGTRAP));
	sigprocmask(SIG_SETMASK, NULL, &old);
	cr_assert_not(sigismember(&old, SIGTRAP));
	cr_assert_eq(hits_of(probe), 1);
}

/* ---- threads ------------------------------------------------------------------------------- */

static atomic_bool stop_threads;

static void *call_all(void *data)
{
	uint64_t *calls = data;

	while (!stop_threads) {
#define CALL(name)                                                                                 \
	if (name(*calls, 1) != *calls + 1)                                                         \
		abort();
		SUM_FUNCTIONS(CALL)
#undef CALL
		++*calls;
	}
	return NULL;
}

static void count_entry(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	atomic_fetch_add((atomic_uint_fast64_t *)cookie, 1);
}

Test(probe, arming_and_removing_under_threads_changes_no_result)
{
	enum { THREADS = 4, CYCLES = 2000 };
	static const void *const places[] = {
#define PLACE(name) (const void *)name,
		SUM_FUNCTIONS(PLACE)
#undef PLACE
	};
	enum { PLACES = sizeof(places) / sizeof(places[0]) };
	pthread_t threads[THREADS];
	uint64_t calls[THREADS] = {0};
	atomic_uint_fast64_t entries = 0;
	struct ep_options options = {
		.size = sizeof(options), .handler = count_entry, .cookie = &entries};

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, call_all, &calls[i]);
	for (int cycle = 0; cycle < CYCLES; cycle++) {
		struct ep_request requests[PLACES];
		struct ep_probe *probes[PLACES];
		uint64_t after;

		for (int i = 0; i < PLACES; i++)
			requests[i] = (struct ep_request){places[i], &options, NULL, 0};
		cr_assert_eq(ep_probe_create_batch(requests, PLACES), 0);
		for (int i = 0; i < PLACES; i++)
			probes[i] = requests[i].probe;
		cr_assert_eq(ep_probe_remove_batch(probes, PLACES), 0);
		after = entries;
		sched_yield();
		cr_assert_eq(entries, after, "a handler ran after its removal");
	}
	stop_threads = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_gt(entries, 0);
	for (int i = 0; i < PLACES; i++)
		cr_assert_neq(*(const uint8_t *)places[i], 0xcc);
}

static void *call_once(void *data)
{
	(void)data;
	return (void *)starts_with_push(1, 2);
}

Test(probe, every_new_thread_is_counted)
{
	struct ep_probe *probe =
		must_create((const void *)starts_with_push, NULL, NULL, EP_PLAN_AUTO);

	for (int i = 0; i < 500; i++) {
		pthread_t thread;
		void *sum;

		cr_assert_eq(pthread_create(&thread, NULL, call_once, NULL), 0);
		pthread_join(thread, &sum);
		cr_assert_eq((uint64_t)sum, 3);
	}
	cr_assert_eq(hits_of(probe), 500);
}

/* ---- refusals ------------------------------------------------------------------------------ */

static int refusal(const void *addr, enum ep_plan plan)
{
	struct ep_options options = {.size = sizeof(options), .plan = plan};
	struct ep_probe *probe = (void *)1;
	struct ep_info info = {.size = sizeof(info)};
	int error = ep_probe_create(addr, &options, &probe);

	if (error) {
		cr_assert_eq(probe, (void *)1, "written on failure");
		cr_assert_eq(ep_check(addr, &options, &info), error);
		cr_assert_eq(info.plan, EP_PLAN_REFUSED);
		cr_assert_eq(info.reason, -error);
	}
	return error;
}

static int data_variable;

Test(probe, each_refusal_has_its_reason)
{
	const uint8_t *function = (const uint8_t *)starts_with_rip_relative;
	uint8_t *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	own[0] = 0xcc;	/* int3 */
	own[16] = 0x06; /* invalid in 64-bit mode */
	own[32] = 0xcf; /* iret */
	mprotect(own, 4096, PROT_READ | PROT_EXEC);
	cr_assert_eq(refusal(&data_variable, EP_PLAN_AUTO), -EP_NOT_EXECUTABLE);
	cr_assert_eq(refusal(NULL, EP_PLAN_AUTO), -EP_NOT_EXECUTABLE);
	cr_assert_eq(refusal(function + 1, EP_PLAN_AUTO), -EP_NOT_AN_INSN);
	cr_assert_eq(refusal(own, EP_PLAN_AUTO), -EP_FOREIGN_INT3);
	cr_assert_eq(refusal(own + 16, EP_PLAN_AUTO), -EP_UNDECODABLE);
	cr_assert_eq(refusal(own + 32, EP_PLAN_AUTO), -EP_NO_PLAN);
	cr_assert_eq(refusal((const void *)trap_handler, EP_PLAN_AUTO), -EP_FORBIDDEN);
	cr_assert_eq(refusal((const void *)(getauxval(AT_SYSINFO_EHDR) + 0x800), EP_PLAN_AUTO),
		     -EP_VDSO);
	cr_assert_eq(refusal((const void *)0xffffffffff600000u, EP_PLAN_AUTO), -EP_VDSO);
	cr_assert_eq(refusal((const void *)starts_with_sse, EP_PLAN_EMULATE), -EP_NOT_EMULATED);
	cr_assert_eq(refusal((const void *)starts_with_jmp, EP_PLAN_BOOST), -EP_NOT_BOOSTED);
}

Test(probe, options_from_a_newer_caller_are_refused_unless_zero)
{
	struct {
		struct ep_options options;
		uint64_t newer;
	} big = {.options = {.size = sizeof(big)}};
	struct ep_probe *probe;

	cr_assert_eq(ep_probe_create((const void *)starts_with_push, &big.options, &probe), 0);
	big.newer = 1;
	cr_assert_eq(ep_probe_create((const void *)starts_with_push, &big.options, &probe),
		     -EP_INVALID);
	big.options.size = 1;
	cr_assert_eq(ep_probe_create((const void *)starts_with_push, &big.options, &probe),
		     -EP_INVALID);
}

Test(probe, one_refusal_in_a_batch_does_not_stop_the_others)
{
	struct ep_request requests[] = {
		{.addr = (const void *)starts_with_push},
		{.addr = &data_variable},
		{.addr = (const void *)starts_with_sse},
	};

	cr_assert_eq(ep_probe_create_batch(requests, 3), 1);
	cr_assert_null(requests[1].probe);
	cr_assert_eq(requests[1].error, -EP_NOT_EXECUTABLE);
	cr_assert_eq(starts_with_push(1, 2), 3);
	cr_assert_eq(hits_of(requests[0].probe), 1);
	starts_with_sse(1, 2);
	cr_assert_eq(hits_of(requests[2].probe), 1);
}

Test(probe, info_names_the_place)
{
	struct ep_probe *probe =
		must_create((const void *)starts_with_push, NULL, NULL, EP_PLAN_AUTO);
	struct ep_info info = {.size = sizeof(info)};

	cr_assert_eq(ep_probe_info(probe, &info), 0);
	cr_assert_str_eq(info.symbol, "starts_with_push");
	cr_assert_eq(info.symbol_offset, 0);
	cr_assert_str_eq(info.object, "unit-probe");
	cr_assert_str_eq(info.insn, "push rbp");
	cr_assert_eq(info.plan, EP_PLAN_JUMP);
	info.size = 3;
	cr_assert_eq(ep_probe_info(probe, &info), -EP_INVALID);
}

/* ---- fork ---------------------------------------------------------------------------------- */

Test(probe, a_forked_child_has_working_probes)
{
	struct ep_probe *probe =
		must_create((const void *)starts_with_push, NULL, NULL, EP_PLAN_AUTO);
	pid_t child = fork();

	if (child == 0) {
		struct ep_probe *other;
		int error = ep_probe_create((const void *)starts_with_sse, NULL, &other);

		_exit(error || starts_with_push(1, 2) != 3 || starts_with_sse(2, 2) != 4 ||
		      ep_probe_remove(probe) || ep_probe_remove(other));
	}
	int status = -1;

	waitpid(child, &status, 0);
	cr_assert_eq(status, 0);
	starts_with_push(1, 2);
	cr_assert_eq(hits_of(probe), 1);
	cr_assert_eq(starts_with_sse(1, 2), 3);
}
