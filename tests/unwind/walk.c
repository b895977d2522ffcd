/* SPDX-License-Identifier: MIT */
/*
 * ep_backtrace() and other unwinders agree: at each instruction of real code, which a thread executes step
 * by step; in handlers under every plan; where calls are followed. And whatever a stack holds, nobody dies.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <math.h>
#include <regex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "include/emuprobe.h"
#include "probe/engine/lock.h"
#include "probe/image/walk.h"
#include "tests/support/libunwind.h"

TestSuite(walk, .timeout = 400);

enum { FRAMES = 64, TRAP_FLAG = 0x100 };

#define NOINLINE __attribute__((noinline))

static uint64_t hits;

static void nothing(struct ep_probe *probe, struct ep_regs *regs, void *cookie)
{
	(void)probe;
	(void)regs;
	(void)cookie;
	hits++;
}

static NOINLINE void probed(void)
{
	__asm__ volatile("nop; nop; nop; nop; nop");
}

static struct ep_probe *create(const void *at, ep_handler handler, enum ep_plan plan,
			       uint32_t flags)
{
	const struct ep_options options = {
		.size = sizeof(options), .handler = handler, .plan = plan, .flags = flags};
	struct ep_probe *ret;
	int error = ep_probe_create(at, &options, &ret);

	cr_assert_eq(error, 0, "%s", ep_strerror(error));
	return ret;
}

static void start(void)
{
	create((const void *)probed, nothing, EP_PLAN_AUTO, EP_BACKTRACE);
}

/* ---- step by step -------------------------------------------------------------------------- */

static struct stepped {
	uint64_t steps, frames, wrong, unbelievable;
	uint64_t ours[FRAMES], theirs[FRAMES];
	size_t our_count, their_count;
} stepped;

static uint64_t step_end; /* where stepping ends */

static int (*init_at_context)(unw_cursor_t *, unw_context_t *, int);

static size_t trace_at(ucontext_t *context, uint64_t *ret)
{
	unw_cursor_t cursor;
	size_t count = 0;

	init_at_context(&cursor, (unw_context_t *)context, UNW_INIT_SIGNAL_FRAME);
	do {
		unw_word_t ip = 0;

		libunwind_get_reg(&cursor, UNW_REG_IP, &ip);
		if (!ip)
			break;
		ret[count++] = ip;
	} while (count < FRAMES && libunwind_step(&cursor) > 0);
	return count;
}

/* Each instruction in two of the situations in which it is executed. */
static bool is_new(uint64_t rip)
{
	static uint8_t seen[1 << 20];

	return seen[rip * 0x9e3779b97f4a7c15u >> 44]++ < 2;
}

/*
 * Some functions in assembly have unwind information that is wrong: of an address that is none nobody says
 * what comes then.
 */
static size_t believable(const uint64_t *trace, size_t count)
{
	Dl_info info;

	for (size_t i = 0; i < count; i++)
		if (!dladdr((void *)trace[i], &info))
			return i;
	return count;
}

static void compare(ucontext_t *context)
{
	uint64_t ours[FRAMES], theirs[FRAMES];
	const struct ep_regs *regs = (const void *)context->uc_mcontext.gregs;
	size_t count, expected, good;

	if (!is_new(regs->rip))
		return;
	count = walk_stack(regs, ours, FRAMES);
	expected = trace_at(context, theirs);
	good = believable(theirs, expected);
	stepped.steps++;
	stepped.frames += count;
	stepped.unbelievable += good < expected;
	if ((count == expected || good < expected) &&
	    memcmp(ours, theirs, good * sizeof(ours[0])) == 0)
		return;
	if (stepped.wrong++)
		return;
	memcpy(stepped.ours, ours, sizeof(ours));
	memcpy(stepped.theirs, theirs, sizeof(theirs));
	stepped.our_count = count;
	stepped.their_count = expected;
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *ucontext = context;

	(void)sig;
	(void)info;
	compare(ucontext);
	if (!step_end)
		ucontext->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void name(const char *who, const uint64_t *trace, size_t count)
{
	Dl_info info;

	for (size_t i = 0; i < count; i++) {
		if (!dladdr((void *)trace[i], &info))
			info = (Dl_info){0};
		cr_log_warn("%s %zu: %#lx %s %s+%#lx", who, i, trace[i],
			    info.dli_fname ? info.dli_fname : "?",
			    info.dli_sname ? info.dli_sname : "?",
			    trace[i] -
				    (uint64_t)(info.dli_sname ? info.dli_saddr : info.dli_fbase));
	}
}

static NOINLINE void run_stepped(void (*work)(void))
{
	step_end = 1;
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
	work();
	step_end = 0;
	__asm__ volatile("nop");
}

static void check_stepped(const char *what, void (*work)(void), uint64_t least)
{
	struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	if (!libunwind_load())
		cr_skip_test("no libunwind");
	*(void **)&init_at_context =
		dlsym(dlopen("libunwind.so.8", RTLD_NOW), "_ULx86_64_init_local2");
	cr_assert_not_null(init_at_context);
	start();
	work(); /* all that is bound at the first call */
	sigaction(SIGTRAP, &action, NULL);
	run_stepped(work);
	cr_log_info("%s: %lu instructions, %lu frames, %lu unbelievable", what, stepped.steps,
		    stepped.frames, stepped.unbelievable);
	cr_expect_gt(stepped.steps, least);
	cr_expect_eq(stepped.wrong, 0, "%s: %lu of %lu", what, stepped.wrong, stepped.steps);
	cr_expect_lt(stepped.unbelievable, stepped.steps / 50);
	if (stepped.wrong) {
		name("ours", stepped.ours, stepped.our_count);
		name("theirs", stepped.theirs, stepped.their_count);
	}
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void use_libc(void)
{
	int numbers[] = {5, 3, 9, 1, 7, 2, 8};
	char text[200];
	regex_t regex;
	time_t now = 1000000000;
	struct tm tm;
	FILE *file;

	qsort(numbers, 7, sizeof(numbers[0]), by_value);
	snprintf(text, sizeof(text), "%d %s %.17g %Lf %ls", numbers[3], "x", 0.1, 2.5L, L"wide");
	strftime(text, sizeof(text), "%c %s", localtime_r(&now, &tm));
	free(malloc(100));
	free(calloc(1000, 200));
	if (regcomp(&regex, "(a|b)*c[x-z]+$", REG_EXTENDED) == 0) {
		regexec(&regex, "ababcxyz", 0, NULL, 0);
		regfree(&regex);
	}
	file = fmemopen(text, sizeof(text), "r");
	if (file) {
		int value;

		if (fscanf(file, "%*s %d", &value) != 1)
			value = 0;
		fclose(file);
	}
	strtod("1.2345678901234567e-300", NULL);
	getenv("HOME");
	unsetenv("no such variable");
}

Test(walk, agrees_at_each_instruction_of_libc)
{
	check_stepped("libc", use_libc, 5000);
}

/* The loader's resolver finds its caller by RBX. */
static void use_loader(void)
{
	void *library = dlopen("libm.so.6", RTLD_LAZY);

	if (!library)
		return;
	dlsym(library, "lgamma");
	dlclose(library);
	dlopen("no such library", RTLD_LAZY);
	dlerror();
}

Test(walk, agrees_at_each_instruction_of_the_loader)
{
	check_stepped("loader", use_loader, 2000);
}

static void use_cxx(void)
{
	static char *(*demangle)(const char *, char *, size_t *, int *);
	static void (*create_locale)(void *, const char *), (*destroy_locale)(void *);
	void *library = dlopen("libstdc++.so.6", RTLD_NOW);
	char locale[64];
	int status;

	if (!library)
		return;
	if (!demangle) {
		*(void **)&demangle = dlsym(library, "__cxa_demangle");
		*(void **)&create_locale = dlsym(library, "_ZNSt6localeC1EPKc");
		*(void **)&destroy_locale = dlsym(library, "_ZNSt6localeD1Ev");
	}
	free(demangle("_ZNSt6vectorIiSaIiEE9push_backERKi", NULL, NULL, &status));
	create_locale(locale, "C.UTF-8");
	destroy_locale(locale);
}

Test(walk, agrees_at_each_instruction_of_cxx)
{
	if (!dlopen("libstdc++.so.6", RTLD_NOW))
		cr_skip_test("no C++ library is installed");
	check_stepped("C++", use_cxx, 5000);
}

/* Aligned to more than the ABI promises: CFA is loaded from the stack. */
static NOINLINE void realigned(void)
{
	char __attribute__((aligned(64))) buffer[256];
	size_t size = (size_t)(step_end + 40);
	char *more = __builtin_alloca(size);

	snprintf(buffer, sizeof(buffer), "%d", 3);
	memset(more, 1, size);
	probed();
	__asm__ volatile("" : : "r"(buffer), "r"(more) : "memory");
}

static NOINLINE void framed(void)
{
	char *volatile memory = __builtin_alloca((size_t)(step_end + 100));

	realigned();
	memory[0] = 1;
}

Test(walk, agrees_at_each_instruction_of_functions_that_align_their_stack)
{
	check_stepped("aligned", framed, 50);
}
