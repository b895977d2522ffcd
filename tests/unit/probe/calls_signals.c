/* SPDX-License-Identifier: MIT */
/*
 * Claim: a signal may arrive anywhere in a call that is followed. Its handler sees the program: an
 * address of the program's, and a stack that leads through every caller to the start of the thread. It
 * may call what is probed itself. And no end is lost or told too early.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

#include "fallback-xol/boost.h"
#include "fallback-xol/stub.h"
#include "include/counting.h"
#include "tests/support/libunwind.h"
#include "tests/support/patience.h"
#include "tests/unit/probe/followed.h"

TestSuite(calls_signals, .timeout = 400);

enum { THREADS = 8, DEPTH = 50, FRAMES = 200, TRAP = 0x100 };

extern const uint8_t __start_ep_trap_path[], __stop_ep_trap_path[];

static _Atomic uint64_t differ;
static atomic_bool stop;

/* ---- what is interrupted -------------------------------------------------------------------- */

FOLLOWED long leaf(long number)
{
	FOLLOWED_STAY();
	return number + 1;
}

FOLLOWED long nest(long depth)
{
	long ret = depth > 0 ? nest(depth - 1) : leaf(0);

	FOLLOWED_STAY();
	return ret + 1;
}

static __thread volatile bool is_inside;

/* Not probed. */
FOLLOWED long base(long depth)
{
	long ret;

	is_inside = true;
	ret = nest(depth);
	is_inside = false;
	return ret;
}

FOLLOWED long in_handler(long number)
{
	long ret = number ? leaf(number) + in_handler(number - 1) : 0;

	FOLLOWED_STAY();
	return ret;
}

/* ---- what is seen --------------------------------------------------------------------------- */

struct trace {
	void *frames[FRAMES];
	int count;
};

static bool has_libunwind;

static void load_unwinders(void)
{
	void *frames[2];

	backtrace(frames, 2); /* loads libgcc now */
	base(1);
	has_libunwind = libunwind_load();
}

static void trace_by_libunwind(struct trace *ret)
{
	ret->count = libunwind_trace((uint64_t *)ret->frames, FRAMES);
}

enum { FUNCTION_SIZE = 96 }; /* and less */

static bool is_in_nest(const void *frame)
{
	return (uint64_t)frame - (uint64_t)nest < FUNCTION_SIZE;
}

static bool is_in_base(const void *frame)
{
	return (uint64_t)frame - (uint64_t)base < FUNCTION_SIZE;
}

/* The whole of the stack: callers between base() and what was interrupted are nest() alone. */
static bool is_complete(const struct trace *trace, int *ret_depth)
{
	int at = trace->count - 1, nested = 0;

	while (at >= 0 && !is_in_base(trace->frames[at]))
		at--;
	if (at < 0 || at + 2 > trace->count)
		return false;
	for (at--; at >= 0; at--) {
		if (is_in_nest(trace->frames[at]))
			nested++;
		else if (!xol_stub_is_return((uint64_t)trace->frames[at]) &&
			 !xol_stub_at((uint64_t)trace->frames[at]))
			break;
	}
	*ret_depth = nested;
	return true;
}

static _Atomic uint64_t seen, seen_nested, ours, broken_libgcc, broken_libunwind;

static void look(void)
{
	struct trace trace;
	int depth, other;

	trace.count = backtrace(trace.frames, FRAMES);
	if (!is_complete(&trace, &depth))
		broken_libgcc++;
	else
		seen_nested += depth > DEPTH / 2;
	if (!has_libunwind)
		return;
	trace_by_libunwind(&trace);
	if (!is_complete(&trace, &other) || other != depth)
		broken_libunwind++;
}

/* ---- a storm -------------------------------------------------------------------------------- */

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
	const ucontext_t *context = ucontext;
	struct xol_origin origin;
	int saved = errno;

	(void)sig;
	(void)info;
	if (!is_inside)
		return;
	seen++;
	ours += xol_origin((uint64_t)context->uc_mcontext.gregs[REG_RIP], &origin);
	look();
	differ += in_handler(3) != 2 + 3 + 4;
	errno = saved;
}

static _Atomic uint64_t rounds;

static void *run_in_storm(void *data)
{
	uint8_t *stack = NULL;

	if (data) { /* above all of the thread's own stack */
		stack = mmap((void *)0x7ffff0000000, 262144, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = 262144}, NULL);
	}
	while (!stop) {
		differ += base(DEPTH) != DEPTH + 2;
		rounds++;
	}
	if (data)
		sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
	return NULL;
}

static void *stop_later(void *data)
{
	struct timespec now, end;

	(void)data;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 2;
	do {
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec || (seen < 50 && now.tv_sec < end.tv_sec + 20));
	stop = true;
	return NULL;
}

static void run_storm(int timer, int sig, bool alternate, unsigned int threads)
{
	struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_sigaction = on_signal,
				   .sa_flags =
					   SA_SIGINFO | SA_RESTART | (alternate ? SA_ONSTACK : 0)};
	pthread_t stopper;

	stop = false;
	sigaction(sig, &action, NULL);
	pthread_create(&stopper, NULL, stop_later, NULL);
	setitimer(timer, &often, NULL);
	followed_in_threads(threads, run_in_storm, alternate ? &stop : NULL);
	setitimer(timer, &never, NULL);
	pthread_join(stopper, NULL);
}

static void check_storm(enum ep_plan plan, int timer, int sig, bool alternate, unsigned int threads)
{
	struct followed nests, leaves, handlers;
	char what[64];

	snprintf(what, sizeof(what), "%s, signal %d, %u threads%s", followed_plan_name(plan), sig,
		 threads, alternate ? ", on another stack" : "");
	seen = seen_nested = ours = broken_libgcc = broken_libunwind = differ = rounds = 0;
	followed_begin(&nests, (const void *)nest, plan);
	followed_begin(&leaves, (const void *)leaf, plan);
	followed_begin(&handlers, (const void *)in_handler, plan);
	run_storm(timer, sig, alternate, threads);
	cr_expect_gt(seen, 10, "%s: %lu signals", what, seen);
	cr_expect_gt(seen_nested, 0, "%s", what);
	cr_expect_eq(ours, 0, "%s: %lu of %lu in code of ours", what, ours, seen);
	cr_expect_eq(broken_libgcc, 0, "%s: %lu of %lu by libgcc", what, broken_libgcc, seen);
	cr_expect_eq(broken_libunwind, 0, "%s: %lu of %lu by libunwind", what, broken_libunwind,
		     seen);
	cr_expect_eq(differ, 0, "%s: %lu", what, differ);
	/* A signal that arrives in a handler of a probe makes its own calls missed ones. */
	cr_expect_eq(followed_entered(&nests), rounds * (DEPTH + 1), "%s: %lu of %lu", what,
		     followed_entered(&nests), rounds * (DEPTH + 1));
	followed_end(&nests, what,
		     (struct followed_counts){.hits = followed_entered(&nests),
					      .returns = followed_entered(&nests)});
	struct ep_info info = {.size = sizeof(info)};
	cr_assert_eq(ep_probe_info(leaves.probe, &info), 0);
	cr_expect_eq(info.hits + info.missed, rounds + 3 * seen,
		     "%s: leaf %lu + %lu of %lu + 3 * %lu", what, info.hits, info.missed, rounds,
		     seen);
	followed_end(&leaves, what,
		     (struct followed_counts){.hits = followed_entered(&leaves),
					      .returns = followed_entered(&leaves),
					      .missed = info.missed});
	cr_assert_eq(ep_probe_info(handlers.probe, &info), 0);
	cr_expect_eq(info.hits + info.missed, 4 * seen, "%s: in_handler %lu + %lu of 4 * %lu", what,
		     info.hits, info.missed, seen);
	followed_end(&handlers, what,
		     (struct followed_counts){.hits = followed_entered(&handlers),
					      .returns = followed_entered(&handlers),
					      .missed = info.missed});
}

Test(calls_signals, may_arrive_anywhere)
{
	load_unwinders();
	FOLLOWED_EACH_WAY(plan)
	{
		check_storm(plan, ITIMER_PROF, SIGPROF, false, THREADS);
		check_storm(plan, ITIMER_REAL, SIGALRM, true, 1);
	}
	check_storm(EP_PLAN_AUTO, ITIMER_PROF, SIGPROF, true, THREADS);
}

/* ---- at every instruction ------------------------------------------------------------------- */

struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	uint64_t flags;
	void (*restorer)(void);
	uint64_t mask;
};

enum { CALLS = 4, STUB_INSNS = 7 };

static uint64_t steps, in_stubs, in_shared, bad_step;

static bool is_shared_code(uint64_t rip)
{
	return rip >= (uint64_t)__start_ep_trap_path && rip < (uint64_t)__stop_ep_trap_path;
}

static void on_step(int sig, siginfo_t *info, void *ucontext)
{
	uint64_t rip = (uint64_t)((const ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];
	bool is_stub = xol_stub_at(rip) != NULL;

	(void)sig;
	(void)info;
	if (!is_inside || (!is_stub && !is_shared_code(rip)))
		return;
	steps++;
	in_stubs += is_stub;
	in_shared += is_shared_code(rip);
	look();
	if ((broken_libgcc || broken_libunwind) && !bad_step)
		bad_step = rip;
}

/*
 * Behind the engine's back: it would have the thread begin again, after the handler, what it was about
 * to do, so that no step would ever lead any further.
 */
static long exchange_action(const struct kernel_action *action, struct kernel_action *old)
{
	register struct kernel_action *old_action __asm__("rdx") = old;
	register long size __asm__("r10") = sizeof(old->mask);
	long ret = SYS_rt_sigaction;

	__asm__ volatile("syscall"
			 : "+a"(ret)
			 : "D"(SIGTRAP), "S"(action), "r"(old_action), "r"(size)
			 : "rcx", "r11", "memory");
	return ret;
}

static void set_trap_flag(void)
{
	__asm__ volatile("pushfq; orl %0, (%%rsp); popfq" : : "i"(TRAP) : "memory", "cc");
}

static void clear_trap_flag(void)
{
	__asm__ volatile("pushfq; andl %0, (%%rsp); popfq" : : "i"(~TRAP) : "memory", "cc");
}

static void describe_step(const char *what)
{
	Dl_info info = {0};

	dladdr((void *)bad_step, &info);
	cr_log_warn("%s: first at %#lx: %s %s+%#lx", what, bad_step,
		    xol_stub_at(bad_step) ? "stub" : info.dli_fname,
		    info.dli_sname ? info.dli_sname : "?",
		    xol_stub_at(bad_step) ? bad_step % XOL_STUB_SIZE
					  : bad_step - (uint64_t)info.dli_saddr);
}

/* Needs one that is not saved where handlers use scratch registers only. */
__attribute__((target("general-regs-only"))) static void
look_at_rbx(struct ep_probe *probe, struct ep_regs *regs, struct ep_call *call, void *cookie)
{
	(void)probe;
	(void)cookie;
	call->words[0] += regs->rbx;
}

static void check_steps(const char *what, ep_call_handler handler, uint32_t flags, bool is_disabled)
{
	static uint8_t stack[262144];
	struct ep_options options = {.size = sizeof(options),
				     .plan = EP_PLAN_JUMP,
				     .flags = flags,
				     .entered = handler,
				     .ended = handler};
	struct kernel_action old, stepping;
	struct ep_probe *probes[2];
	long result;
	int error;

	steps = in_stubs = in_shared = bad_step = 0;
	broken_libgcc = 0;
	broken_libunwind = 0;
	error = ep_probe_create((const void *)nest, &options, &probes[0]);
	cr_assert_eq(error, 0, "%s", ep_error_name(error));
	cr_assert_eq(ep_probe_create((const void *)leaf, &options, &probes[1]), 0);
	base(CALLS - 2); /* stubs are made */
	if (is_disabled)
		ep_probe_disable(probes[0]);
	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
	cr_assert_eq(exchange_action(NULL, &old), 0);
	stepping = old; /* with its way back, which unwinders know */
	stepping.handler = on_step;
	stepping.flags |= SA_SIGINFO | SA_ONSTACK;
	cr_assert_eq(exchange_action(&stepping, &old), 0);
	set_trap_flag();
	result = base(CALLS - 2);
	clear_trap_flag();
	cr_assert_eq(exchange_action(&old, &stepping), 0);
	cr_expect_eq(result, CALLS);
	cr_expect_gt(steps, 100, "%s: %lu", what, steps);
	cr_expect_eq(in_stubs, (is_disabled ? 1 : CALLS) * STUB_INSNS, "%s: %lu", what, in_stubs);
	cr_expect_gt(in_shared, 50, "%s: %lu", what, in_shared);
	cr_expect_eq(broken_libgcc, 0, "%s: %lu of %lu by libgcc", what, broken_libgcc, steps);
	cr_expect_eq(broken_libunwind, 0, "%s: %lu of %lu by libunwind", what, broken_libunwind,
		     steps);
	if (bad_step)
		describe_step(what);
	cr_expect_eq(ep_probe_remove_batch(probes, 2), 0);
}

Test(calls_signals, may_arrive_at_every_instruction)
{
	load_unwinders();
	check_steps("vectors", look_at_rbx, EP_CALLS, false);
	check_steps("general", look_at_rbx, EP_CALLS | EP_GENERAL_REGS_ONLY, false);
	check_steps("counted", NULL, EP_CALLS, false);
	check_steps("counted, disabled", NULL, EP_CALLS, true);
	check_steps("told", look_at_rbx, EP_CALLS | EP_GENERAL_REGS_ONLY | EP_SCRATCH_REGS_ONLY,
		    false);
	check_steps("told, disabled", look_at_rbx,
		    EP_CALLS | EP_GENERAL_REGS_ONLY | EP_SCRATCH_REGS_ONLY, true);
	ep_sample_calls(2);
	check_steps("one in two", look_at_rbx, EP_CALLS | EP_GENERAL_REGS_ONLY, false);
	ep_sample_calls(1);
}
