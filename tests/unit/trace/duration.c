/* SPDX-License-Identifier: MIT */
/* Calls that are measured: none counts twice, and what is left in the middle does no harm. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace/action/duration.h"
#include "trace/session/durations.h"

TestSuite(trace_duration, .timeout = 400);

#define PROBES 8

static const struct trace_shape shape = {
	.process_max = 8, .ring_max = 8, .ring_size = 4096, .heap_size = 4 << 20, .heap_max = 1};
static struct trace_session session;
static struct trace_probe probes[PROBES];
static struct trace_arena arena;
static struct trace_duration_sum *sums[PROBES];

static void setup(void)
{
	int fd;

	for (uint32_t i = 0; i < PROBES; i++)
		probes[i].index = i;
	cr_assert_eq(trace_session_create(&shape, "", 0, &fd, &session), 0);
	close(fd);
	cr_assert_eq(trace_session_add_process(&session, getpid(), 1), 0);
	cr_assert_eq(trace_record_init(&session, 0, TRACE_FULL_DROP), 0);
	trace_duration_init(&session);
}

static void enter(struct ep_call *call, int probe)
{
	trace_duration_entered(NULL, NULL, call, &probes[probe]);
}

static void leave(struct ep_call *call, int probe, enum ep_end end)
{
	call->end = end;
	trace_duration_ended(NULL, NULL, call, &probes[probe]);
}

static void call_once(int probe)
{
	struct ep_call call;

	enter(&call, probe);
	leave(&call, probe, EP_END_RETURN);
}

static void read_process(uint64_t process)
{
	for (int i = 0; i < PROBES; i++)
		sums[i] = NULL;
	cr_assert_eq(trace_durations_read(&session, process, PROBES, &arena, sums), 0);
}

static uint64_t total_of(int probe)
{
	return sums[probe]->sum - sums[probe]->nested;
}

/* ---- totals and own time ------------------------------------------------------------------- */

Test(trace_duration, own_time_is_what_others_did_not_take, .init = setup)
{
	struct ep_call outer, middle, inner;

	for (int i = 0; i < 100; i++) {
		enter(&outer, 0);
		enter(&middle, 1);
		enter(&inner, 2);
		leave(&inner, 2, EP_END_RETURN);
		enter(&inner, 2);
		leave(&inner, 2, EP_END_UNWIND);
		leave(&middle, 1, EP_END_UNWIND);
		enter(&inner, 2);
		leave(&inner, 2, EP_END_RETURN);
		leave(&outer, 0, EP_END_RETURN);
	}
	read_process(0);
	cr_expect_eq(sums[0]->count, 100);
	cr_expect_eq(sums[1]->count, 100);
	cr_expect_eq(sums[2]->count, 300);
	cr_expect_eq(sums[0]->nested + sums[1]->nested + sums[2]->nested, 0);
	cr_expect_eq(sums[2]->self, sums[2]->sum);
	cr_expect_lt(sums[1]->self, sums[1]->sum);
	/* What is in a call is in exactly one own time. */
	cr_expect_eq(sums[0]->self + sums[1]->self + sums[2]->self, sums[0]->sum);
}

Test(trace_duration, recursion_does_not_count_twice, .init = setup)
{
	struct ep_call calls[4];

	for (int i = 0; i < 4; i++)
		enter(&calls[i], i == 2); /* 0 0 1 0 */
	for (int i = 3; i >= 0; i--)
		leave(&calls[i], i == 2, EP_END_RETURN);
	read_process(0);
	cr_expect_eq(sums[0]->count, 3);
	cr_expect_eq(total_of(0), sums[0]->longest);
	cr_expect_gt(sums[0]->nested, 0);
	cr_expect_eq(sums[1]->nested, 0);
	cr_expect_eq(sums[0]->self + sums[1]->self, total_of(0));
	call_once(0);
	read_process(0);
	cr_expect_gt(total_of(0), sums[0]->longest);
}

/* Its end is noticed late: it has no duration, and what comes behind is outermost again. */
Test(trace_duration, what_was_left_by_a_jump_is_not_measured, .init = setup)
{
	struct ep_call outer, inner;

	enter(&outer, 0);
	enter(&inner, 0);
	leave(&inner, 0, EP_END_JUMP);
	leave(&outer, 0, EP_END_JUMP);
	read_process(0);
	cr_expect_eq(sums[0]->count, 0);
	cr_expect_eq(sums[0]->sum, 0);
	call_once(0);
	read_process(0);
	cr_expect_eq(sums[0]->count, 1);
	cr_expect_eq(sums[0]->nested, 0);
}

/* On two stacks of one thread calls do not end in the order in which they began. */
Test(trace_duration, stacks_that_are_switched_leave_no_call_behind, .init = setup)
{
	struct ep_call one, other;

	enter(&one, 0);
	enter(&other, 0);
	leave(&one, 0, EP_END_RETURN);
	leave(&other, 0, EP_END_RETURN);
	call_once(0);
	read_process(0);
	cr_expect_eq(sums[0]->count, 3);
	cr_expect_eq(total_of(0) + sums[0]->nested, sums[0]->sum);
	enter(&one, 0);
	cr_expect_eq(one.words[4], 0, "it is outermost");
}

/* ---- signals ------------------------------------------------------------------------------- */

#define CALLS 300000

static volatile uint64_t handled;
static _Atomic bool done;

static void on_signal(int sig)
{
	(void)sig;
	call_once(1);
	call_once(0);
	handled++;
}

static void *send_signals(void *main_thread)
{
	while (!done)
		pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
	return NULL;
}

Test(trace_duration, calls_of_a_signal_handler_are_all_there, .init = setup)
{
	const struct sigaction action = {.sa_handler = on_signal};
	pthread_t self = pthread_self(), sender;
	struct ep_call call;

	sigaction(SIGUSR1, &action, NULL);
	call_once(1);
	pthread_create(&sender, NULL, send_signals, &self);
	for (int i = 0; i < CALLS; i++)
		call_once(0);
	done = true;
	pthread_join(sender, NULL);
	read_process(0);
	cr_expect_gt(handled, 0);
	cr_expect_eq(sums[0]->count, CALLS + handled);
	cr_expect_eq(sums[1]->count, 1 + handled);
	enter(&call, 0);
	cr_expect_eq(call.words[4], 0, "no call is left behind");
}

/* ---- between any two instructions ----------------------------------------------------------- */

#define TRAP_FLAG 0x100ul

static int interrupting; /* the probe that the handler calls */

static void on_step(int sig)
{
	(void)sig;
	call_once(interrupting);
	handled++;
}

__attribute__((noinline)) static void set_trap_flag(bool on)
{
	uint64_t flags = __builtin_ia32_readeflags_u64();

	__builtin_ia32_writeeflags_u64(on ? flags | TRAP_FLAG : flags & ~TRAP_FLAG);
}

/* The handler calls the same probe, or another one that lies in the same octave or not. */
static void step_through_calls(int probe)
{
	const struct sigaction action = {.sa_handler = on_step};
	struct ep_call call;

	interrupting = probe;
	sigaction(SIGTRAP, &action, NULL);
	set_trap_flag(true);
	for (int i = 0; i < 20; i++) {
		enter(&call, 0);
		leave(&call, 0, EP_END_RETURN);
	}
	set_trap_flag(false);
}

Test(trace_duration, a_call_between_any_two_instructions_is_there, .init = setup)
{
	struct ep_call call;

	step_through_calls(0);
	step_through_calls(1);
	step_through_calls(0);
	read_process(0);
	cr_expect_gt(handled, 60 * 50);
	cr_expect_eq(sums[0]->count + sums[1]->count, 60 + handled);
	cr_expect_eq(sums[0]->unplaced + sums[1]->unplaced, 0);
	enter(&call, 0);
	cr_expect_eq(call.words[4], 0, "no call is left behind");
}

/* ---- forks --------------------------------------------------------------------------------- */

static void in_child(void (*make)(struct ep_call *begun), struct ep_call *begun)
{
	int status;
	pid_t pid = (pid_t)syscall(SYS_fork); /* past what libc would call */

	if (pid == 0) {
		make(begun);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	cr_assert_eq(status, 0);
}

static void end_and_call(struct ep_call *begun)
{
	leave(begun, 0, EP_END_RETURN);
	call_once(0);
	call_once(0);
}

Test(trace_duration, of_a_child_are_its_own, .init = setup)
{
	struct ep_call begun;

	call_once(1);
	enter(&begun, 0);
	in_child(end_and_call, &begun);
	leave(&begun, 0, EP_END_RETURN);
	read_process(0);
	cr_expect_eq(sums[0]->count, 1);
	cr_expect_eq(sums[1]->count, 1);
	read_process(1);
	cr_expect_eq(sums[0]->count, 2, "what began before is the parent's");
	cr_expect_eq(sums[0]->nested, 0);
	cr_expect_null(sums[1]);
}

Test(trace_duration, without_memory_calls_are_not_timed, .init = setup)
{
	struct ep_call call;

	while (trace_session_alloc(&session, 64))
		;
	enter(&call, 0);
	leave(&call, 0, EP_END_RETURN);
	read_process(0);
	cr_expect_null(sums[0]);
}
