/* SPDX-License-Identifier: MIT */
/*
 * Claims: what the program blocks, and what waits for it, is kept for each thread as the kernel
 * would keep it, and arrives when the kernel would let it. The engine's handlers are not there: a
 * handler of this test's is in their place.
 */
#include "probe/guest/masks.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe/thread/thread.h"

#define TRAP SIGNALS_BIT(SIGTRAP)
#define SEGV SIGNALS_BIT(SIGSEGV)
#define FPE  SIGNALS_BIT(SIGFPE)
#define USR1 SIGNALS_BIT(SIGUSR1)

static void setup(void)
{
	cr_assert_eq(probe_thread_init(), 0);
}

TestSuite(masks, .init = setup, .timeout = 400);

static siginfo_t sent_to_thread(int sig, int value)
{
	siginfo_t info = {.si_signo = sig, .si_code = SI_TKILL};

	info.si_value.sival_int = value;
	return info;
}

static siginfo_t sent_to_process(int sig, int value)
{
	siginfo_t info = sent_to_thread(sig, value);

	info.si_code = SI_USER;
	return info;
}

static void keep_for_thread(int sig, int value)
{
	siginfo_t info = sent_to_thread(sig, value);

	masks_keep(sig, &info);
}

static void keep_for_process(int sig, int value)
{
	siginfo_t info = sent_to_process(sig, value);

	masks_keep(sig, &info);
}

static void expect_taken(uint64_t set, int sig, int value)
{
	siginfo_t info = {0};

	cr_assert_eq(masks_take(set, &info), sig);
	if (sig)
		cr_assert_eq(info.si_value.sival_int, value);
}

static void in_thread(void *(*run)(void *data), void *data)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, run, data), 0);
	pthread_join(thread, NULL);
}

/* ---- blocked --------------------------------------------------------------------------------- */

static void *read_blocked(void *data)
{
	*(uint64_t *)data = masks_blocked();
	return NULL;
}

Test(masks, remembers_of_each_thread_what_it_blocks_of_ours)
{
	uint64_t of_other = ~0ul;

	cr_assert_eq(masks_blocked(), 0);
	masks_set_blocked(TRAP | SEGV | USR1);
	cr_assert_eq(masks_blocked(), TRAP | SEGV, "SIGUSR1 is none of ours");
	in_thread(read_blocked, &of_other);
	cr_assert_eq(of_other, 0);
	masks_set_blocked(0);
	cr_assert_eq(masks_blocked(), 0);
}

Test(masks, forgets_what_it_adopted_when_the_thread_raises_it)
{
	masks_adopt(TRAP | SEGV);
	cr_assert_eq(masks_blocked(), TRAP | SEGV);
	cr_assert_not(masks_forget_adopted(SIGTRAP), "only a fault is raised by the thread itself");
	cr_assert(masks_forget_adopted(SIGSEGV));
	cr_assert_eq(masks_blocked(), TRAP);
	cr_assert_not(masks_forget_adopted(SIGSEGV));
}

Test(masks, believes_what_the_program_blocks_after_it_was_open)
{
	masks_adopt(SEGV | FPE);
	masks_set_blocked(~0ul);
	masks_set_blocked(SEGV); /* as it was, after everything was blocked for a moment */
	cr_assert(masks_forget_adopted(SIGSEGV));
	masks_set_blocked(FPE);
	cr_assert_not(masks_forget_adopted(SIGFPE), "it was open in between");
	cr_assert_eq(masks_blocked(), FPE);
}

/* ---- pending --------------------------------------------------------------------------------- */

Test(masks, keeps_the_first_of_a_kind)
{
	keep_for_thread(SIGTRAP, 1);
	keep_for_thread(SIGTRAP, 2);
	cr_assert_eq(masks_pending(), TRAP);
	expect_taken(TRAP, SIGTRAP, 1);
	expect_taken(TRAP, 0, 0);
	cr_assert_eq(masks_pending(), 0);
}

Test(masks, keeps_one_for_the_thread_and_one_for_the_process)
{
	keep_for_process(SIGTRAP, 1);
	keep_for_process(SIGTRAP, 2);
	keep_for_thread(SIGTRAP, 3);
	expect_taken(TRAP, SIGTRAP, 3);
	expect_taken(TRAP, SIGTRAP, 1);
	expect_taken(TRAP, 0, 0);
}

Test(masks, takes_what_is_asked_for_only)
{
	keep_for_thread(SIGSEGV, 1);
	keep_for_process(SIGFPE, 2);
	expect_taken(TRAP, 0, 0);
	expect_taken(FPE, SIGFPE, 2);
	cr_assert_eq(masks_pending(), SEGV);
	expect_taken(~0ul, SIGSEGV, 1);
}

static void *take_in_other_thread(void *data)
{
	siginfo_t info;

	(void)data;
	cr_expect_eq(masks_pending(), FPE, "what is for the process, and not what is for a thread");
	cr_expect_eq(masks_take(~0ul, &info), SIGFPE);
	keep_for_thread(SIGTRAP, 3);
	return NULL;
}

Test(masks, keeps_what_is_for_a_thread_from_others)
{
	masks_set_blocked(SIGNALS_OWNED);
	keep_for_thread(SIGSEGV, 1);
	keep_for_process(SIGFPE, 2);
	in_thread(take_in_other_thread, NULL);
	cr_assert_eq(masks_pending(), SEGV);
}

static atomic_int stage;

static void wait_for_stage(int wanted)
{
	while (atomic_load(&stage) < wanted)
		usleep(100);
}

static void *keep_until_discarded(void *data)
{
	masks_set_blocked(SIGNALS_OWNED);
	keep_for_thread(SIGTRAP, 1);
	keep_for_thread(SIGSEGV, 2);
	atomic_store(&stage, 1);
	wait_for_stage(2);
	*(uint64_t *)data = masks_pending();
	return NULL;
}

Test(masks, discards_what_is_ignored_in_all_threads)
{
	pthread_t thread;
	uint64_t of_other = 0;

	masks_set_blocked(SIGNALS_OWNED);
	cr_assert_eq(pthread_create(&thread, NULL, keep_until_discarded, &of_other), 0);
	wait_for_stage(1);
	keep_for_thread(SIGTRAP, 1);
	keep_for_process(SIGTRAP, 2);
	masks_discard(SIGTRAP);
	cr_assert_eq(masks_pending(), 0);
	atomic_store(&stage, 2);
	pthread_join(thread, NULL);
	cr_assert_eq(of_other, SEGV);
}

/* ---- sent again ------------------------------------------------------------------------------ */

static struct {
	volatile int count, sig, value;
	volatile bool is_hint;
	volatile pid_t tid;
} got;

static void handler(int sig, siginfo_t *info, void *ucontext)
{
	(void)ucontext;
	got.count++;
	got.sig = sig;
	got.value = info->si_value.sival_int;
	got.is_hint = masks_is_hint(info);
	got.tid = gettid();
}

static void handle(int sig)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	cr_assert_eq(sigaction(sig, &action, NULL), 0);
}

/* In the kernel, of which the engine's guards are part in a program that is probed. */
static void open_in_kernel(uint64_t set)
{
	syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, NULL, sizeof(set));
}

static uint64_t blocked_in_kernel(void)
{
	uint64_t set = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &set, sizeof(set));
	return set;
}

Test(masks, lets_arrive_what_is_not_blocked_any_more)
{
	handle(SIGTRAP);
	handle(SIGFPE);
	masks_set_blocked(TRAP | FPE);
	keep_for_thread(SIGTRAP, 1);
	keep_for_thread(SIGFPE, 2);
	masks_redeliver();
	open_in_kernel(~0ul);
	cr_assert_eq(got.count, 0);
	masks_set_blocked(FPE);
	masks_redeliver();
	cr_assert_eq(got.count, 0, "not before the interrupted code goes on");
	cr_assert_eq(blocked_in_kernel() & SIGNALS_OWNED, SIGNALS_OWNED);
	open_in_kernel(~0ul);
	cr_assert_eq(got.count, 1);
	cr_assert_eq(got.sig, SIGTRAP);
	cr_assert_eq(got.value, 1, "with all that it carried");
	cr_assert_eq(masks_pending(), FPE);
}

Test(masks, sends_what_it_is_told_to_whether_it_is_blocked_or_not)
{
	handle(SIGTRAP);
	masks_set_blocked(TRAP | FPE);
	keep_for_process(SIGTRAP, 7);
	keep_for_thread(SIGFPE, 8);
	masks_send(TRAP);
	open_in_kernel(TRAP);
	cr_assert_eq(got.count, 1);
	cr_assert_eq(got.value, 7);
	cr_assert_eq(masks_pending(), FPE);
}

Test(masks, defers_until_the_interrupted_code_opens_its_signals)
{
	siginfo_t info = sent_to_thread(SIGTRAP, 5);
	uint64_t mask = USR1;

	handle(SIGTRAP);
	masks_defer(SIGTRAP, &info, &mask);
	cr_assert_eq(mask, USR1 | TRAP);
	cr_assert_eq(got.count, 0);
	open_in_kernel(TRAP);
	cr_assert_eq(got.count, 1);
	cr_assert_eq(got.value, 5);
}

/* ---- hints ----------------------------------------------------------------------------------- */

static void *be_there_for_it(void *data)
{
	probe_thread_self();
	masks_set_blocked(*(uint64_t *)data);
	atomic_store(&stage, 1);
	wait_for_stage(2);
	return (void *)(uint64_t)gettid();
}

static void keep_with_other_thread(uint64_t blocked_there)
{
	pthread_t thread;
	void *tid;

	handle(SIGTRAP);
	masks_set_blocked(TRAP);
	cr_assert_eq(pthread_create(&thread, NULL, be_there_for_it, &blocked_there), 0);
	wait_for_stage(1);
	keep_for_process(SIGTRAP, 1);
	atomic_store(&stage, 2);
	pthread_join(thread, &tid);
	if (got.count)
		cr_assert_eq(got.tid, (pid_t)(uint64_t)tid);
}

Test(masks, hints_to_a_thread_that_does_not_block_what_came_for_the_process)
{
	siginfo_t info = sent_to_process(SIGTRAP, 0);

	cr_assert_not(masks_is_hint(&info));
	keep_with_other_thread(0);
	cr_assert_eq(got.count, 1);
	cr_assert(got.is_hint);
	cr_assert_eq(masks_pending(), TRAP, "that thread takes it when it looks");
}

Test(masks, hints_to_no_thread_that_blocks_it_too)
{
	keep_with_other_thread(TRAP);
	cr_assert_eq(got.count, 0);
	cr_assert_eq(masks_pending(), TRAP);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static long wait_for(uint64_t set, long milliseconds, siginfo_t *info)
{
	struct timespec timeout = {milliseconds / 1000, milliseconds % 1000 * 1000000};

	return masks_wait(set, blocked_in_kernel(), info, &timeout);
}

Test(masks, waits_for_what_is_kept_already)
{
	siginfo_t info = {0};

	masks_set_blocked(TRAP);
	keep_for_process(SIGTRAP, 9);
	cr_assert_eq(wait_for(TRAP, 100000, &info), SIGTRAP);
	cr_assert_eq(info.si_value.sival_int, 9);
	cr_assert_eq(masks_pending(), 0);
}

static double seconds_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

Test(masks, waits_no_longer_than_it_is_told_and_no_shorter)
{
	siginfo_t info;
	double start = seconds_now();

	cr_assert_eq(wait_for(TRAP, 50, &info), -EAGAIN);
	cr_assert_geq(seconds_now() - start, 0.05);
	cr_assert_eq(wait_for(TRAP, 0, &info), -EAGAIN);
	cr_assert_eq(probe_thread_self()->waiting, 0);
	cr_assert_null((void *)probe_thread_self()->wait_timeout);
}

static void *send_to(void *data)
{
	usleep(20000);
	tgkill(getpid(), *(pid_t *)data, SIGTRAP);
	return NULL;
}

Test(masks, waits_for_what_the_kernel_brings)
{
	pid_t tid = gettid();
	pthread_t thread;
	siginfo_t info;

	handle(SIGTRAP);
	masks_set_blocked(TRAP);
	cr_assert_eq(pthread_create(&thread, NULL, send_to, &tid), 0);
	cr_assert_eq(wait_for(TRAP, 100000, &info), SIGTRAP);
	cr_assert_eq(info.si_code, SI_TKILL);
	cr_assert_eq(got.count, 0, "it is taken, not handled");
	pthread_join(thread, NULL);
}

static void note_as_program(int sig)
{
	(void)sig;
	masks_note_delivery();
}

static void *interrupt(void *data)
{
	usleep(20000);
	tgkill(getpid(), *(pid_t *)data, SIGUSR1);
	return NULL;
}

Test(masks, is_interrupted_by_a_handler_of_the_program)
{
	struct sigaction action = {.sa_handler = note_as_program};
	pid_t tid = gettid();
	pthread_t thread;
	siginfo_t info;

	sigaction(SIGUSR1, &action, NULL);
	cr_assert_eq(pthread_create(&thread, NULL, interrupt, &tid), 0);
	cr_assert_eq(wait_for(TRAP, 100000, &info), -EINTR);
	pthread_join(thread, NULL);
}

/* SIGSTOP: here, a signal whose handler says nothing. */
Test(masks, is_interrupted_where_no_handler_was_called)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	pid_t tid = gettid();
	pthread_t thread;
	siginfo_t info;

	sigaction(SIGUSR1, &action, NULL);
	cr_assert_eq(pthread_create(&thread, NULL, interrupt, &tid), 0);
	cr_assert_eq(wait_for(TRAP, 100000, &info), -EINTR);
	pthread_join(thread, NULL);
}

static void note_as_ours(int sig, siginfo_t *info, void *context)
{
	masks_note_signal();
	handler(sig, info, context);
}

Test(masks, is_not_interrupted_by_what_the_program_does_not_see)
{
	struct sigaction action = {.sa_sigaction = note_as_ours, .sa_flags = SA_SIGINFO};
	pid_t tid = gettid();
	pthread_t thread;
	double start = seconds_now();
	siginfo_t info;

	sigaction(SIGUSR1, &action, NULL);
	cr_assert_eq(pthread_create(&thread, NULL, interrupt, &tid), 0);
	cr_assert_eq(wait_for(TRAP, 500, &info), -EAGAIN);
	cr_assert_geq(seconds_now() - start, 0.5, "the wait goes on");
	cr_assert_eq(got.count, 1);
	pthread_join(thread, NULL);
}

/* ---- around a handler ------------------------------------------------------------------------ */

Test(masks, leaves_and_comes_back_to_what_the_thread_was_doing)
{
	struct probe_thread *thread = probe_thread_self();
	volatile struct timespec timeout = {5, 5};
	struct masks_left left;

	thread->waiting = TRAP;
	thread->wait_timeout = &timeout;
	thread->lent = true;
	masks_leave(&left);
	cr_assert(thread->waiting == 0 && !thread->wait_timeout && !thread->lent);
	masks_come_back(&left);
	cr_assert(thread->waiting == TRAP && thread->wait_timeout == &timeout && thread->lent);
	cr_assert_eq(timeout.tv_sec, 5);
	masks_leave(&left);
	keep_for_thread(SIGTRAP, 1);
	masks_come_back(&left);
	cr_assert_eq(timeout.tv_sec, 0, "what came meanwhile ends the wait");
}
