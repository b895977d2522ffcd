/* SPDX-License-Identifier: MIT */
/*
 * Who looks at a probed thread from the side, in a signal handler or in a probe's handler, sees the
 * program: no address in code memory, and a stack that leads to the start of the thread. Both
 * libgcc's unwinder and libunwind are asked.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "fallback-xol/boost.h"
#include "include/emuprobe.h"
#include "tests/support/libunwind.h"
#include "tests/unit/probe/functions.h"

TestSuite(unwind, .timeout = 400);

/* ---- libgcc's _Unwind_Backtrace(), and libunwind behind dlopen() so that it replaces nothing ---
 */

struct _Unwind_Context;
typedef int (*trace_function)(struct _Unwind_Context *, void *);
int _Unwind_Backtrace(trace_function, void *);
uint64_t _Unwind_GetIP(struct _Unwind_Context *);

enum { FRAMES = 64 };

struct trace {
	uint64_t ip[FRAMES];
	int count;
};

static int add_frame(struct _Unwind_Context *context, void *data)
{
	struct trace *trace = data;

	if (trace->count < FRAMES)
		trace->ip[trace->count++] = _Unwind_GetIP(context);
	return 0;
}

static void trace_by_libgcc(struct trace *ret)
{
	ret->count = 0;
	_Unwind_Backtrace(add_frame, ret);
}

static bool has_libunwind;

static void trace_by_libunwind(struct trace *ret)
{
	ret->count = libunwind_trace(ret->ip, FRAMES);
}

/* ---- what is probed ------------------------------------------------------------------------ */

static uint64_t probed[32];
static size_t probed_count;
static atomic_bool stop;
static __thread bool is_spinning; /* ITIMER_PROF hits any thread */

static const sum_function functions[] = {
#define ADDRESS(name) name,
	SUM_FUNCTIONS(ADDRESS) uses_red_zone,
	uses_red_zone_boosted,
#undef ADDRESS
};

enum { FUNCTIONS = sizeof(functions) / sizeof(functions[0]) };

static uint64_t outer_end; /* all addresses in outer() lie below */

static __attribute__((noinline)) void outer(void (*each)(void))
{
	static const void *const labels[] = {&&end};

	outer_end = (uint64_t)labels[0];
	if (!each)
		goto end;
	while (!stop) {
		for (uint64_t i = 0; i < FUNCTIONS; i++)
			if (functions[i](i, 1000) != i + 1000)
				abort();
		each();
	}
end:
	__asm__ volatile("" ::: "memory");
}

static bool is_in_outer(uint64_t ip)
{
	return ip >= (uint64_t)outer && ip <= outer_end;
}

static bool is_function(uint64_t ip)
{
	for (int i = 0; i < FUNCTIONS; i++)
		if (ip - (uint64_t)functions[i] < 64)
			return true;
	return false;
}

static void nothing(void)
{
}

/* ---- checks, in handlers ------------------------------------------------------------------- */

static atomic_uint seen, seen_spinning, seen_probed, in_code_memory, broken_libgcc,
	broken_libunwind;
static struct trace bad;
static uint64_t bad_rip;

/* Complete: from @rip, if not 0, through outer(), to something that called the test. */
static bool is_complete(const struct trace *trace, uint64_t rip)
{
	int i = 0;

	while (rip && i < trace->count && trace->ip[i] != rip)
		i++;
	while (i < trace->count && !is_in_outer(trace->ip[i]))
		i++;
	return i + 3 < trace->count;
}

static void check_traces(uint64_t rip)
{
	struct trace trace;

	trace_by_libgcc(&trace);
	if (!is_complete(&trace, rip) && broken_libgcc++ == 0) {
		bad = trace;
		bad_rip = rip;
	}
	if (!has_libunwind)
		return;
	trace_by_libunwind(&trace);
	if (!is_complete(&trace, rip) && broken_libunwind++ == 0 && !broken_libgcc) {
		bad = trace;
		bad_rip = rip;
	}
}

static bool is_ours(uint64_t rip)
{
	struct xol_origin origin;

	return xol_origin(rip, &origin);
}

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
	const ucontext_t *context = ucontext;
	uint64_t rip = (uint64_t)context->uc_mcontext.gregs[REG_RIP];
	int saved = errno;

	(void)sig;
	(void)info;
	seen++;
	in_code_memory += is_ours(rip);
	if (!is_spinning)
		return;
	for (size_t i = 0; i < probed_count; i++)
		seen_probed += rip == probed[i];
	check_traces(rip);
	seen_spinning++;
	errno = saved;
}

static void describe(const char *what)
{
	Dl_info info;

	for (int i = 0; i < bad.count; i++) {
		if (!dladdr((void *)bad.ip[i], &info))
			info = (Dl_info){0};
		cr_log_warn("%s: frame %d: %#lx %s %s%s", what, i, bad.ip[i],
			    info.dli_fname	 ? info.dli_fname
			    : is_ours(bad.ip[i]) ? "slot"
						 : "?",
			    info.dli_sname ? info.dli_sname : "",
			    bad.ip[i] == bad_rip ? " <- interrupted" : "");
	}
}

/* ---- signals ------------------------------------------------------------------------------- */

/* Sleep, whatever signals arrive. */
static void sleep_for(long ns)
{
	struct timespec left = {ns / 1000000000, ns % 1000000000};

	while (nanosleep(&left, &left))
		;
}

/* One after the other: a thread that always has the next one pending never gets any further. */
static void *send_signals(void *data)
{
	pthread_t target = *(pthread_t *)data;

	while (!stop) {
		unsigned int before = seen_spinning;

		pthread_kill(target, SIGUSR2);
		while (seen_spinning == before && !stop)
			sleep_for(10000);
		sleep_for(50000);
	}
	return NULL;
}

/* After 0.4 s; on a machine that is busy with other things, when there is something to judge. */
static void *stop_later(void *data)
{
	(void)data;
	for (int i = 0; i < 40 && (i == 0 || seen <= 50 || seen_probed == 0); i++)
		sleep_for(400000000);
	stop = true;
	return NULL;
}

static void spin_under_fire(void)
{
	struct itimerval profile = {{0, 1000}, {0, 1000}}, none = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	pthread_t self = pthread_self(), sender, stopper;

	stop = false;
	seen = seen_probed = in_code_memory = broken_libgcc = broken_libunwind = 0;
	sigaction(SIGPROF, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	pthread_create(&sender, NULL, send_signals, &self);
	pthread_create(&stopper, NULL, stop_later, NULL);
	setitimer(ITIMER_PROF, &profile, NULL);
	is_spinning = true;
	outer(nothing);
	is_spinning = false;
	setitimer(ITIMER_PROF, &none, NULL);
	pthread_join(sender, NULL);
	pthread_join(stopper, NULL);
}

static void with_vectors(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	++*(volatile uint64_t *)cookie;
	__asm__ volatile("pxor %%xmm0, %%xmm0" : : : "xmm0");
}

static uint64_t calls;

static size_t create(struct ep_probe **probes, enum ep_plan plan, ep_handler handler,
		     uint32_t flags)
{
	size_t count = 0;

	probed_count = 0;
	for (int i = 0; i < FUNCTIONS; i++) {
		struct ep_options options = {.size = sizeof(options),
					     .plan = plan,
					     .handler = handler,
					     .cookie = &calls,
					     .flags = flags};
		const void *at = functions[i] == uses_red_zone ? in_red_zone
				 : functions[i] == uses_red_zone_boosted
					 ? in_red_zone_boosted
					 : (const void *)functions[i];
		int error = ep_probe_create(at, &options, &probes[count]);

		if (!error) {
			probed[probed_count++] = (uint64_t)at;
			count++;
		}
	}
	cr_assert_geq(count, 3);
	return count;
}

static void check_signals(const char *what, enum ep_plan plan, ep_handler handler, uint32_t flags)
{
	struct ep_probe *probes[FUNCTIONS];
	size_t count;

	has_libunwind = libunwind_load();
	outer(NULL);
	count = create(probes, plan, handler, flags);
	spin_under_fire();
	ep_probe_remove_batch(probes, count);
	cr_expect_gt(seen, 10, "%s: only %u signals", what, seen);
	cr_expect_gt(seen_probed, 0, "%s: none of %u at a probe", what, seen);
	cr_expect_eq(in_code_memory, 0, "%s: %u of %u in code memory", what, in_code_memory, seen);
	cr_expect_eq(broken_libgcc, 0, "%s: %u of %u by libgcc", what, broken_libgcc, seen);
	cr_expect_eq(broken_libunwind, 0, "%s: %u of %u by libunwind", what, broken_libunwind,
		     seen);
	if (broken_libgcc || broken_libunwind)
		describe(what);
}

Test(unwind, leads_out_of_emulated_instructions)
{
	check_signals("emulate", EP_PLAN_EMULATE, NULL, 0);
}

Test(unwind, leads_out_of_slots)
{
	check_signals("boost", EP_PLAN_BOOST, NULL, 0);
}

Test(unwind, leads_out_of_detours_that_count)
{
	check_signals("jump, count", EP_PLAN_JUMP, NULL, 0);
}

Test(unwind, leads_out_of_detours_that_save_general_registers)
{
	check_signals("jump, general", EP_PLAN_JUMP, with_vectors, EP_GENERAL_REGS_ONLY);
}

Test(unwind, leads_out_of_detours_that_save_vectors)
{
	check_signals("jump, vector", EP_PLAN_JUMP, with_vectors, 0);
}

/* ---- from a probe's handler ---------------------------------------------------------------- */

static atomic_uint without_caller;

static void look_back(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	struct trace trace;
	bool found = false;

	(void)probe;
	(void)cookie;
	seen++;
	trace_by_libgcc(&trace);
	for (int i = 0; i + 1 < trace.count; i++)
		found |= trace.ip[i] == regs->rip &&
			 (is_in_outer(trace.ip[i + 1]) || is_function(trace.ip[i + 1]));
	without_caller += !found;
	check_traces(regs->rip);
}

static void once(void)
{
	stop = true;
}

Test(unwind, leads_from_a_handler_to_its_caller_under_every_plan)
{
	has_libunwind = libunwind_load();
	outer(NULL);
	for (enum ep_plan plan = EP_PLAN_AUTO; plan <= EP_PLAN_JUMP; plan++) {
		struct ep_probe *probes[FUNCTIONS];
		size_t count = create(probes, plan, look_back, 0);

		seen = broken_libgcc = broken_libunwind = without_caller = 0;
		stop = false;
		outer(once);
		ep_probe_remove_batch(probes, count);
		cr_expect_geq(seen, count, "%s", ep_plan_name(plan));
		cr_expect_eq(without_caller, 0, "%s: %u of %u", ep_plan_name(plan), without_caller,
			     seen);
		cr_expect_eq(broken_libgcc, 0, "%s: %u of %u", ep_plan_name(plan), broken_libgcc,
			     seen);
		cr_expect_eq(broken_libunwind, 0, "%s: %u of %u by libunwind", ep_plan_name(plan),
			     broken_libunwind, seen);
		if (broken_libgcc || broken_libunwind || without_caller)
			describe(ep_plan_name(plan));
	}
}
